export function List({ words }: { words: string[] }) {
    return <ul>{words.map((word) => <li key={word} class="word">{word}</li>)}</ul>;
}
