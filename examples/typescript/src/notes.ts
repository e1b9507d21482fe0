// Notes of one request, wherever in its code they are made; they go to the log together.
import { AsyncLocalStorage } from 'node:async_hooks';

const notes = new AsyncLocalStorage<string[]>();

export function note(text: string): void {
    notes.getStore()?.push(text);
}

export async function notesOf<T>(work: () => Promise<T>): Promise<T> {
    const own: string[] = [];
    try {
        return await notes.run(own, work);
    } finally {
        console.log(own.join(', '));
    }
}
