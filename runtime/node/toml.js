// A TOML file as JSON, for hearthctl: node toml.js FILE. Of a file that is none: ":LINE: sentence" to standard error, and exit code 1.
import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';

try {
    const value = parse(readFileSync(process.argv[2], 'utf8'));
    process.stdout.write(JSON.stringify(value, (key, inner) => (typeof inner === 'bigint' ? Number(inner) : inner)));
} catch (error) {
    const [sentence] = error.message.replace('Invalid TOML document: ', '').split('\n');
    process.stderr.write(`${error.line ? `:${error.line}` : ''}: ${sentence}\n`);
    process.exitCode = 1;
}
