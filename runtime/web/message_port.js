// MessageChannel and MessagePort (HTML 9.4), within the isolate. A message is copied when it is posted and heard in a task of its own,
// which belongs to the request that posted it, and is lost with it.
import { clone, dataCloneError, StructuredSerializeOptions, transferable } from './clone.js';
import { Event, eventHandlers, EventTarget, fire, handlerOf, hasListeners, setHandler } from './event.js';
import { MessageEvent, portsBy } from './event_kinds.js';
import { queueTimer } from './timers.js';
import { any, declare, EventHandler, illegal, object, optional, readonly, sequenceFrom } from './webidl.js';

const INNER = Symbol('inner');
let isMessagePort, portOf;

// One end of a channel: a port has it, until it is closed or the end is another port's.
class End {
    peer = null;
    port = null;
    messages = []; // {value, ports, isDue}
    isStarted = false;

    take(message) {
        this.messages.push(message);
        if (this.isStarted) this.#hearLater(message);
    }

    start() {
        if (this.isStarted) return;
        this.isStarted = true;
        for (const message of this.messages) if (!message.isDue) this.#hearLater(message);
    }

    #hearLater(message) {
        queueTimer(() => {
            message.isDue = false;
            if (!this.isStarted || !this.#drop(message)) return; // it waits for the end's next port
            fire(this.port, new MessageEvent('message', { data: message.value, ports: message.ports }));
        }, 0, () => this.#drop(message));
        message.isDue = true;
    }

    #drop(message) {
        const at = this.messages.indexOf(message);
        if (at >= 0) this.messages.splice(at, 1);
        return at >= 0;
    }

    close() {
        const { peer } = this;
        this.isStarted = false;
        this.messages = [];
        this.port = this.peer = null;
        if (!peer) return;
        peer.peer = null;
        if (peer.port && hasListeners(peer.port, 'close')) queueTimer(() => peer.port && fire(peer.port, new Event('close')), 0);
    }
}

// (sequence<object> or StructuredSerializeOptions) -> {transfer}
function Transfer(value, what) {
    const method = typeof value === 'object' && value !== null ? value[Symbol.iterator] : undefined;
    if (method === undefined || method === null) return StructuredSerializeOptions(value, what);
    return { transfer: sequenceFrom(value, method, object, what) };
}
Transfer.isDictionary = true;

export class MessagePort extends EventTarget {
    #end;

    constructor(key, end) {
        if (key !== INNER) throw illegal('MessagePort');
        super();
        this.#end = end;
        end.port = this;
    }

    static {
        isMessagePort = (value) => typeof value === 'object' && value !== null && #end in value;
        portOf = (end) => new MessagePort(INNER, end);
        portsBy(isMessagePort);
        transferable(isMessagePort, (port) => {
            const end = port.#end;
            if (end === null) throw dataCloneError('the port was closed or transferred already');
            port.#end = null;
            end.isStarted = false;
            return portOf(end);
        });
    }

    postMessage(message, { transfer }) {
        if (transfer.includes(this)) throw dataCloneError('a port can not be sent through itself');
        const peer = this.#end?.peer ?? null;
        const isDoomed = peer?.port && transfer.includes(peer.port);
        const { value, moved } = clone(message, transfer);
        if (peer && !isDoomed) peer.take({ value, ports: moved.filter(isMessagePort), isDue: false });
    }

    start() { this.#end?.start(); }

    close() {
        this.#end?.close();
        this.#end = null;
    }

    get onmessage() { return handlerOf(this, 'message'); }
    set onmessage(callback) {
        setHandler(this, 'message', callback);
        this.#end?.start();
    }
}

eventHandlers(MessagePort.prototype, 'close', 'messageerror');
declare(MessagePort, {
    is: isMessagePort,
    operations: { close: [], postMessage: [any, optional(Transfer)], start: [] },
    attributes: { onclose: EventHandler, onmessage: EventHandler, onmessageerror: EventHandler },
});

let isMessageChannel;

export class MessageChannel {
    #port1; #port2;

    constructor() {
        const ends = [new End(), new End()];
        [ends[0].peer, ends[1].peer] = [ends[1], ends[0]];
        this.#port1 = portOf(ends[0]);
        this.#port2 = portOf(ends[1]);
    }

    static {
        isMessageChannel = (value) => typeof value === 'object' && value !== null && #port1 in value;
    }

    get port1() { return this.#port1; }
    get port2() { return this.#port2; }
}

declare(MessageChannel, { is: isMessageChannel, attributes: { port1: readonly, port2: readonly } });
