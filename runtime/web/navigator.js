// navigator (HTML 8.10.1, NavigatorID and what workers have of the rest), as small as a script on an edge node needs it.
import { declare, illegal, readonly } from './webidl.js';

const INNER = Symbol('inner');
const LANGUAGES = Object.freeze(['en']);
let isNavigator;

export class Navigator {
    #isIt = true;

    constructor(key) {
        if (key !== INNER) throw illegal('Navigator');
    }

    static { isNavigator = (value) => typeof value === 'object' && value !== null && #isIt in value; }

    get hardwareConcurrency() { return 1; } // a script has one thread
    get language() { return LANGUAGES[0]; }
    get languages() { return LANGUAGES; }
    get onLine() { return true; }
    get platform() { return 'Linux x86_64'; }
    get userAgent() { return 'hearth'; }
}

declare(Navigator, {
    is: isNavigator,
    attributes: {
        hardwareConcurrency: readonly, language: readonly, languages: readonly, onLine: readonly, platform: readonly,
        userAgent: readonly,
    },
});

export const navigator = new Navigator(INNER);
