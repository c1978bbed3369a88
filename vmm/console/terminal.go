package console

import (
	"fmt"
	"io"
	"sync"

	"golang.org/x/term"
)

// greeting tells how to get out before the usual keys stop doing it.
const greeting = "serial console on this terminal; Ctrl-A x quits, Ctrl-A h helps\n"

// backlog is how much a user may type ahead of a guest that does not read. What is typed beyond it
// is lost, as on any terminal; Ctrl-A is still heeded.
const backlog = 4096

// terminal is a line whose near end is a terminal. It is raw from Start to Close, and a guard
// process sees to it that it does not stay so if this process crashes or is killed.
type terminal struct {
	*stdio
	err *Stderr

	mu     sync.Mutex
	cooked *term.State // how the terminal was, from Start to Close
	guard  *guard
	closed bool

	keys   keys
	taking sync.WaitGroup
}

func newTerminal(line *stdio, err *Stderr) *terminal {
	t := &terminal{stdio: line, err: err}
	t.keys.ready.L = &t.keys.mu
	return t
}

// Start makes the terminal raw and begins to take keys.
func (t *terminal) Start() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.guard = startGuard(t.in)
	io.WriteString(t.err, greeting)
	cooked, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		t.guard.release()
		return fmt.Errorf("cannot make the terminal raw: %w; give --serial null or redirect standard input", err)
	}
	t.cooked = cooked
	t.err.setRaw(true)
	t.taking.Go(t.take)
	return nil
}

// Close makes the terminal what it was before Start.
func (t *terminal) Close() error {
	err := t.stdio.Close()
	t.keys.end()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if canWake {
		t.taking.Wait()
	}
	if t.cooked == nil {
		return err
	}
	if e := term.Restore(int(t.in.Fd()), t.cooked); e != nil {
		err = e
	}
	t.cooked = nil
	t.err.setRaw(false)
	t.guard.release()
	return err
}

// Read gives the keys that are meant for the guest.
func (t *terminal) Read(p []byte) (int, error) { return t.keys.read(p) }

// take takes keys off the terminal until Close.
func (t *terminal) take() {
	defer t.keys.end()
	var e escape
	var buf [256]byte
	for {
		n, err := t.stdio.Read(buf[:])
		pass := buf[:0]
		for _, b := range buf[:n] {
			ok, cmd := e.feed(b)
			if ok {
				pass = append(pass, b)
			}
			switch cmd {
			case quit:
				t.quit(ErrQuit)
			case help:
				io.WriteString(t.err, helpText)
			}
		}
		t.keys.add(pass)
		if err != nil || n == 0 {
			return
		}
	}
}

// keys are what was typed and not yet read.
type keys struct {
	mu    sync.Mutex
	ready sync.Cond
	buf   []byte
	ended bool
}

func (k *keys) add(p []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.buf = append(k.buf, p[:min(len(p), backlog-len(k.buf))]...)
	k.ready.Broadcast()
}

func (k *keys) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	k.ready.Broadcast()
}

func (k *keys) read(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.buf) == 0 {
		if k.ended {
			return 0, io.EOF
		}
		k.ready.Wait()
	}
	n := copy(p, k.buf)
	k.buf = k.buf[:copy(k.buf, k.buf[n:])]
	return n, nil
}
