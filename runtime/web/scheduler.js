// scheduler (Prioritized Task Scheduling), with wait() of Workers. Tasks belong to the request that posted them, and are ordered among
// its own: each has a timer, and when one is due the most urgent of the request's tasks runs.
import { AbortController, AbortSignal, AbortSignalType, addAlgorithm, anySignal, newSignal, removeAlgorithm } from './abort.js';
import { DOMException } from './dom_exception.js';
import { CONVERTED, Event, EventInit, eventHandlers, fire } from './event.js';
import { host } from './host.js';
import { DELAY_MAX, dropTimer, queueTimer } from './timers.js';
import {
    callback, declare, dictionary, DOMString, double, enforceRange, enumeration, EventHandler, illegal, optional, promise, readonly,
    required, requiredMember, sequence, unsignedLongLong,
} from './webidl.js';

const INNER = Symbol('inner');
const brand = (test) => (value) => typeof value === 'object' && value !== null && test(value);
const PRIORITIES = ['user-blocking', 'user-visible', 'background'];
const TaskPriority = enumeration('TaskPriority', PRIORITIES);

// ---- signals

const TaskPriorityChangeEventInit = dictionary('TaskPriorityChangeEventInit', {
    previousPriority: requiredMember(TaskPriority),
}, EventInit);
let isChange;

export class TaskPriorityChangeEvent extends Event {
    #previous;

    constructor(type, init) {
        required(arguments, 2, 'TaskPriorityChangeEvent');
        type = DOMString(type, 'TaskPriorityChangeEvent, argument 1');
        init = TaskPriorityChangeEventInit(init, 'TaskPriorityChangeEvent, argument 2');
        super(CONVERTED, type, init);
        this.#previous = init.previousPriority;
    }

    static { isChange = brand((value) => #previous in value); }

    get previousPriority() { return this.#previous; }
}

declare(TaskPriorityChangeEvent, { constructor: 2, is: isChange, attributes: { previousPriority: readonly } });

let isTaskSignal, priorityOf, setPriority, follow;

export class TaskSignal extends AbortSignal {
    #priority = 'user-visible';
    #isChanging = false;
    #followers = []; // WeakRefs of signals whose priority is this one's
    #source = null; // or of which this is a follower, which keeps it

    static {
        isTaskSignal = brand((value) => #priority in value);
        priorityOf = (signal) => signal.#priority;
        const change = (signal, priority) => {
            const previousPriority = signal.#priority;
            signal.#priority = priority;
            fire(signal, new TaskPriorityChangeEvent('prioritychange', { previousPriority }));
            for (const reference of signal.#followers) {
                const follower = reference.deref();
                if (follower) change(follower, priority);
            }
        };
        setPriority = (signal, priority, isNew = false) => {
            if (isNew) {
                signal.#priority = priority;
                return;
            }
            if (signal.#isChanging) throw new DOMException('the priority is being changed already', 'NotAllowedError');
            if (signal.#priority === priority) return;
            signal.#isChanging = true;
            change(signal, priority);
            signal.#isChanging = false;
        };
        follow = (signal, source) => {
            signal.#priority = source.#priority;
            const first = source.#source ?? source;
            signal.#source = first;
            first.#followers = first.#followers.filter((reference) => reference.deref());
            first.#followers.push(new WeakRef(signal));
        };
    }

    get priority() { return this.#priority; }

    static any(signals, { priority }) {
        const signal = anySignal(signals, newSignal(TaskSignal));
        if (isTaskSignal(priority)) follow(signal, priority);
        else setPriority(signal, priority, true);
        return signal;
    }
}

eventHandlers(TaskSignal.prototype, 'prioritychange');
// (TaskPriority or TaskSignal)
const PriorityOrSignal = (value, what) => (isTaskSignal(value) ? value : TaskPriority(value, what));
declare(TaskSignal, {
    is: isTaskSignal,
    attributes: { onprioritychange: EventHandler, priority: readonly },
    statics: {
        any: [sequence(AbortSignalType), optional(dictionary('TaskSignalAnyInit', { priority: [PriorityOrSignal, 'user-visible'] }))],
    },
});

const TaskControllerInit = dictionary('TaskControllerInit', { priority: [TaskPriority, 'user-visible'] });
let isTaskController;

export class TaskController extends AbortController {
    #isIt = true;

    constructor(init = undefined) {
        const { priority } = TaskControllerInit(init, 'TaskController, argument 1');
        super(CONVERTED, newSignal(TaskSignal));
        setPriority(this.signal, priority, true);
    }

    static { isTaskController = brand((value) => #isIt in value); }

    setPriority(priority) { setPriority(this.signal, priority); }
}

declare(TaskController, { is: isTaskController, operations: { setPriority: [TaskPriority] } });

// ---- tasks

const queues = new Map(); // request -> its tasks that are due or will be, in their order
let running; // the task whose callback runs now

class Task {
    timer = 0;

    constructor({ run, signal, priority, isContinuation }, settle) {
        this.run = run; // undefined: a continuation
        this.signal = signal;
        this.priority = priority;
        this.isContinuation = isContinuation;
        this.settle = settle;
    }

    // Less is more urgent.
    get rank() {
        const priority = this.priority ?? (isTaskSignal(this.signal) ? priorityOf(this.signal) : 'user-visible');
        return 2 * PRIORITIES.indexOf(priority) - (this.isContinuation ? 1 : 0);
    }

    queue(ref, delay) {
        const leave = () => {
            const rest = queues.get(ref)?.filter((task) => task !== this);
            if (rest?.length) queues.set(ref, rest);
            else queues.delete(ref);
        };
        this.leave = leave;
        if (delay > 0) {
            this.timer = queueTimer(() => this.queue(ref, 0), Math.min(delay, DELAY_MAX));
            return;
        }
        this.timer = queueTimer(() => runNext(ref), 0, leave);
        const list = queues.get(ref);
        if (list) list.push(this);
        else queues.set(ref, [this]);
    }

    // Its timer stays: it is somebody else's turn then.
    abort() {
        this.leave?.();
        this.settle.reject(this.signal.reason);
    }

    perform() {
        if (this.signal && this.onAbort) removeAlgorithm(this.signal, this.onAbort);
        if (!this.run) return this.settle.resolve(undefined);
        running = this;
        try {
            this.settle.resolve(Reflect.apply(this.run, undefined, []));
        } catch (error) {
            this.settle.reject(error);
        } finally {
            running = undefined;
        }
    }
}

function runNext(ref) {
    let next;
    for (const task of queues.get(ref) ?? []) if (!next || task.rank < next.rank) next = task;
    if (!next) return;
    next.leave();
    next.perform();
}

function post(how, delay) {
    const { signal } = how;
    return new Promise((resolve, reject) => {
        if (signal?.aborted) throw signal.reason;
        const task = new Task(how, { resolve, reject });
        task.queue(host.actor(), delay);
        if (!signal) return;
        task.onAbort = () => {
            if (delay > 0) dropTimer(task.timer);
            task.abort();
        };
        addAlgorithm(signal, task.onAbort);
    });
}

const SchedulerPostTaskOptions = dictionary('SchedulerPostTaskOptions', {
    delay: [enforceRange(unsignedLongLong), 0], priority: TaskPriority, signal: AbortSignalType,
});
let isScheduler;

export class Scheduler {
    #isIt = true;

    constructor(key) {
        if (key !== INNER) throw illegal('Scheduler');
    }

    static { isScheduler = brand((value) => #isIt in value); }

    postTask(run, { delay, priority, signal }) {
        return post({ run, signal, priority, isContinuation: false }, delay);
    }

    // It goes on as the task that asked for it would, before others of its priority.
    yield() {
        return post({ run: undefined, signal: running?.signal, priority: running?.priority, isContinuation: true }, 0);
    }

    wait(ms, { signal }) {
        return new Promise((resolve, reject) => {
            if (signal?.aborted) throw signal.reason;
            const timer = queueTimer(() => {
                if (signal) removeAlgorithm(signal, stop);
                resolve(undefined);
            }, Math.min(ms, DELAY_MAX));
            const stop = () => {
                dropTimer(timer);
                reject(signal.reason);
            };
            if (signal) addAlgorithm(signal, stop);
        });
    }
}

declare(Scheduler, {
    is: isScheduler,
    operations: {
        postTask: promise(callback, optional(SchedulerPostTaskOptions)),
        wait: promise(double, optional(dictionary('SchedulerWaitOptions', { signal: AbortSignalType }))),
        yield: promise(),
    },
});

export const scheduler = new Scheduler(INNER);
