declare module '*.wasm?module' { const module: WebAssembly.Module; export default module; }
declare module '*.bin' { const bytes: ArrayBuffer; export default bytes; }
declare module '*.dat' { const bytes: ArrayBuffer; export default bytes; }
declare module '*.txt' { const text: string; export default text; }
declare module '*.html' { const text: string; export default text; }
declare module '*.sql' { const text: string; export default text; }
