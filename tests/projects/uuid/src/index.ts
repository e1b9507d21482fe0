import { NIL, parse, stringify, v4, v5, v7, validate, version } from 'uuid';

export default {
    fetch() {
        const id = v4(), later = v7();
        return Response.json({
            valid: validate(id) && validate(later),
            versions: [version(id), version(later)],
            v5: v5('hearth', v5.URL),
            same: stringify(parse(id)) === id,
            nil: NIL,
        });
    },
};
