// node:async_hooks: what follows a request through its promises is the runtime's (runtime/web/async_context.js).
import { AsyncLocalStorage, AsyncResource } from 'hearth:async_hooks';

const executionAsyncId = () => 0, triggerAsyncId = () => 0;

export { AsyncLocalStorage, AsyncResource, executionAsyncId, triggerAsyncId };
export default { AsyncLocalStorage, AsyncResource, executionAsyncId, triggerAsyncId };
