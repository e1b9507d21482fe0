// Not JavaScript.
export default { fetch( { return }
