export const replaced = 'by an alias';
