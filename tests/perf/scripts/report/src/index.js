// Turns 50 KB of JSON, the request's body, into a summary: parse, check, group, sort, write.
function check(row) {
  if (typeof row.id !== "number" || typeof row.customer?.name !== "string" || !Array.isArray(row.lines))
    throw new TypeError(`row ${row.id} is not an order`);
  return row;
}

export default {
  async fetch(request) {
    const orders = (await request.json()).orders.map(check);
    const customers = new Map();
    for (const { id, customer, status, lines, at } of orders) {
      let seen = customers.get(customer.name);
      if (!seen) customers.set(customer.name, (seen = { ...customer, orders: [], total: 0, units: 0, last: "" }));
      for (const { sku, count, price, discount = 0 } of lines) {
        seen.total += Math.round(count * price * (100 - discount)) / 100;
        seen.units += count;
        (seen.skus ??= {})[sku] = (seen.skus[sku] ?? 0) + count;
      }
      seen.orders.push({ id, status });
      if (at > seen.last) seen.last = at;
    }
    const rows = [...customers.values()]
      .map(({ skus, ...rest }) => ({ ...rest, best: Object.entries(skus).sort(([, a], [, b]) => b - a).slice(0, 3) }))
      .sort((a, b) => b.total - a.total || a.name.localeCompare(b.name));
    const status = Object.groupBy(orders, (order) => order.status);
    return Response.json({
      customers: rows,
      by_status: Object.fromEntries(Object.entries(status).map(([word, list]) => [word, list.length])),
      total: rows.reduce((sum, row) => sum + row.total, 0),
    });
  },
};
