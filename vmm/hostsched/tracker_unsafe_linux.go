package hostsched

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Set makes the flag at p the one that is kept for a slot. If another thread than the slot's calls it, that may be being
// switched just now, and have the flag of before written once more: see Settle.
func (t *Tracker) Set(slot int, p Place) {
	(*atomic.Uint32)(unsafe.Pointer(&t.places[slot*placeSize])).Store(uint32(p))
}

// Map puts a shared page in the place of memory, a page of this process. What is in it before is for the caller to move.
func (t *Tracker) Map(page int, memory []byte) error {
	_, err := unix.MmapPtr(t.flags.FD(), int64(page)*PageSize, unsafe.Pointer(&memory[0]), PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
	return err
}
