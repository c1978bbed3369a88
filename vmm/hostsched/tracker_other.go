//go:build !linux

package hostsched

import "errors"

// Tracker keeps flags.
type Tracker struct{}

// Open fails: only Linux has such tracepoints.
func Open(threads, pages int) (*Tracker, error) {
	return nil, errors.New("the host's scheduler can be traced on Linux only")
}

// Follow makes a thread the one of a slot.
func (*Tracker) Follow(slot int, tid int) error { return nil }

// Set makes the flag at p the one that is kept for a slot.
func (*Tracker) Set(slot int, p Place) {}

// Map puts a shared page in the place of a page of this process's memory.
func (*Tracker) Map(page int, memory []byte) error { return nil }

// Settle returns when no switch is in progress any more.
func (*Tracker) Settle() error { return nil }

// Close ends it.
func (*Tracker) Close() error { return nil }
