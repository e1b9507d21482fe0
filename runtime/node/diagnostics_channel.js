// node:diagnostics_channel.
const channels = new Map(); // name -> Channel

class Channel {
    #subscribers = [];
    #stores = new Map(); // AsyncLocalStorage -> its value for a message

    constructor(name) {
        this.name = name;
    }

    get hasSubscribers() { return this.#subscribers.length > 0 || this.#stores.size > 0; }

    subscribe(subscriber) {
        if (typeof subscriber !== 'function') throw new TypeError('Channel.subscribe: the subscriber is not a function');
        this.#subscribers = [...this.#subscribers, subscriber];
    }

    unsubscribe(subscriber) {
        const at = this.#subscribers.indexOf(subscriber);
        if (at >= 0) this.#subscribers = this.#subscribers.toSpliced(at, 1);
        return at >= 0;
    }

    publish(message) {
        for (const subscriber of this.#subscribers) {
            try {
                subscriber(message, this.name);
            } catch (error) {
                queueMicrotask(() => { throw error; }); // it is not the publisher's
            }
        }
    }

    bindStore(store, transform = (message) => message) {
        this.#stores.set(store, transform);
    }

    unbindStore(store) {
        return this.#stores.delete(store);
    }

    runStores(message, fn, self, ...args) {
        let run = () => {
            this.publish(message);
            return fn.apply(self, args);
        };
        for (const [store, transform] of this.#stores) {
            const inner = run;
            run = () => store.run(transform(message), inner);
        }
        return run();
    }
}

function channel(name) {
    if (!channels.has(name)) channels.set(name, new Channel(name));
    return channels.get(name);
}

class TracingChannel {
    constructor(names) {
        const of = (event) => (typeof names === 'string' ? channel(`tracing:${names}:${event}`) : names[event]);
        for (const event of ['start', 'end', 'asyncStart', 'asyncEnd', 'error']) this[event] = of(event);
    }

    subscribe(subscribers) {
        for (const [event, subscriber] of Object.entries(subscribers)) this[event].subscribe(subscriber);
    }

    unsubscribe(subscribers) {
        return Object.entries(subscribers).map(([event, subscriber]) => this[event].unsubscribe(subscriber)).every(Boolean);
    }

    traceSync(fn, context = {}, self, ...args) {
        return this.start.runStores(context, () => {
            try {
                return (context.result = fn.apply(self, args));
            } catch (error) {
                context.error = error;
                this.error.publish(context);
                throw error;
            } finally {
                this.end.publish(context);
            }
        });
    }

    tracePromise(fn, context = {}, self, ...args) {
        const settled = (key, value) => {
            context[key] = value;
            if (key === 'error') this.error.publish(context);
            this.asyncStart.publish(context);
            this.asyncEnd.publish(context);
        };
        return this.start.runStores(context, () => {
            try {
                return Promise.resolve(fn.apply(self, args)).then(
                    (result) => (settled('result', result), result),
                    (error) => { settled('error', error); throw error; },
                );
            } catch (error) {
                context.error = error;
                this.error.publish(context);
                throw error;
            } finally {
                this.end.publish(context);
            }
        });
    }
}

module.exports = {
    Channel, channel,
    hasSubscribers: (name) => channels.get(name)?.hasSubscribers ?? false,
    subscribe: (name, subscriber) => channel(name).subscribe(subscriber),
    tracingChannel: (names) => new TracingChannel(names),
    unsubscribe: (name, subscriber) => channel(name).unsubscribe(subscriber),
};
