package devices

import (
	"context"
	"io"
	"sync"
)

// OutputSize is how many bytes an Output holds back while its writer is slow.
const OutputSize = 64 << 10

// Output carries a guest's bytes to an io.Writer without making the guest wait for it. It has a
// buffer of OutputSize bytes and one goroutine that empties the buffer in order. When the buffer is
// full a device keeps the byte itself, which its guest sees as a full transmit FIFO, and is told when
// there is room again. Nothing is dropped.
//
// After the writer's first error everything is thrown away, so that a guest does not hang on a
// terminal that is gone; Flush and Close return that error.
type Output struct {
	w io.Writer

	mu      sync.Mutex
	changed sync.Cond // on every change of what follows
	ring    [OutputSize]byte
	head, n int // the n bytes from head wait to be written
	starved bool
	closed  bool
	calling bool // the functions of room are being called
	done    bool // the goroutine has ended
	err     error
	room    []func() // called without mu when a refused byte would fit again
}

// NewOutput starts carrying bytes to w. Close ends it.
func NewOutput(w io.Writer) *Output {
	o := &Output{w: w}
	o.changed.L = &o.mu
	go o.drain()
	return o
}

// put takes one byte. It reports false when there is no room; then the functions given to onRoom are
// called as soon as there is.
func (o *Output) put(b byte) bool {
	o.mu.Lock()
	taken := true
	switch {
	case o.err != nil || o.closed:
	case o.n == len(o.ring):
		o.starved, taken = true, false
	default:
		o.ring[(o.head+o.n)%len(o.ring)] = b
		if o.n++; o.n == 1 {
			o.changed.Broadcast()
		}
	}
	o.mu.Unlock()
	return taken
}

// onRoom registers f for the lifetime of o.
func (o *Output) onRoom(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.room = append(o.room, f)
}

func (o *Output) drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		for o.n == 0 && !o.closed {
			o.changed.Wait()
		}
		if o.n == 0 {
			break
		}
		// These bytes stay taken until they are written, so nobody else touches them.
		chunk := o.ring[o.head:min(o.head+o.n, len(o.ring))]
		o.mu.Unlock()
		_, err := o.w.Write(chunk)
		o.mu.Lock()
		o.head = (o.head + len(chunk)) % len(o.ring)
		o.n -= len(chunk)
		if err != nil {
			o.err, o.n = err, 0
		}
		o.changed.Broadcast()
		if o.starved && !o.closed {
			o.starved, o.calling = false, true
			room := o.room
			o.mu.Unlock()
			for _, f := range room {
				f()
			}
			o.mu.Lock()
			o.calling = false
			o.changed.Broadcast()
		}
	}
	o.done = true
	o.changed.Broadcast()
}

// Flush waits until every byte taken so far has been written. It returns the writer's error, or the
// cause of ctx when that ends first.
func (o *Output) Flush(ctx context.Context) error {
	return o.await(ctx, func() bool { return o.n == 0 })
}

// Close takes no more bytes and waits until the goroutine has written the rest and ended. It returns
// the writer's error, or the cause of ctx when that ends first; the goroutine then ends when the
// write in which it is stuck does. Either way it calls no device any more.
func (o *Output) Close(ctx context.Context) error {
	o.mu.Lock()
	o.closed = true
	o.changed.Broadcast()
	for o.calling {
		o.changed.Wait()
	}
	o.mu.Unlock()
	return o.await(ctx, func() bool { return o.done })
}

func (o *Output) await(ctx context.Context, reached func() bool) error {
	stop := context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.changed.Broadcast()
	})
	defer stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for !reached() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		o.changed.Wait()
	}
	return o.err
}
