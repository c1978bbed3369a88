package devices

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
)

// Device is a window of registers. Offsets count bytes from the window's first byte and size is the
// width of the access in bytes: 1, 2, 4 or 8. Both methods may be called from several vCPUs at once,
// never wait for the host, and do not allocate on the paths that a busy guest takes.
type Device interface {
	// Read returns the value in its low size bytes.
	Read(offset uint64, size int) uint64
	// Write gets the value in the low size bytes of v; the rest is undefined.
	Write(offset uint64, size int, v uint64)
}

// IRQLine is the wire from a device to an interrupt controller. A device calls SetLevel only when its
// level changes, in the order of the changes, with its own lock held: SetLevel must not call back.
type IRQLine interface {
	SetLevel(high bool)
}

// Bus finds the device of an address. Devices are added before the first guest runs; from then on
// the bus is read-only and needs no lock.
type Bus struct {
	windows []window // sorted by first, disjoint
}

type window struct {
	first, last uint64 // inclusive, so that a window may end at the top of the address space
	device      Device
}

// Add puts d at the size bytes from base. Windows that overlap, are empty or wrap around are a
// mistake of the programmer and refused.
func (b *Bus) Add(base, size uint64, d Device) error {
	if size == 0 || size-1 > math.MaxUint64-base {
		return fmt.Errorf("devices: no window of %#x bytes fits at %#x", size, base)
	}
	w := window{base, base + (size - 1), d}
	at, _ := slices.BinarySearchFunc(b.windows, base, func(w window, base uint64) int {
		return cmp.Compare(w.first, base)
	})
	for _, i := range []int{at - 1, at} {
		if i < 0 || i >= len(b.windows) {
			continue
		}
		if o := b.windows[i]; o.first <= w.last && w.first <= o.last {
			return fmt.Errorf("devices: window %#x..%#x overlaps %#x..%#x", w.first, w.last, o.first, o.last)
		}
	}
	b.windows = slices.Insert(b.windows, at, w)
	return nil
}

// Read reads size bytes at addr. It reports false when no window holds all of them.
func (b *Bus) Read(addr uint64, size int) (v uint64, ok bool) {
	w := b.find(addr, size)
	if w == nil {
		return 0, false
	}
	return w.device.Read(addr-w.first, size), true
}

// Write writes the low size bytes of v to addr. It reports false when no window holds all of them.
func (b *Bus) Write(addr uint64, size int, v uint64) (ok bool) {
	w := b.find(addr, size)
	if w == nil {
		return false
	}
	w.device.Write(addr-w.first, size, v)
	return true
}

// find returns the window of [addr, addr+size), or nil.
func (b *Bus) find(addr uint64, size int) *window {
	i := sort.Search(len(b.windows), func(i int) bool { return b.windows[i].last >= addr })
	if i == len(b.windows) {
		return nil
	}
	w := &b.windows[i]
	if addr < w.first || size < 1 || uint64(size-1) > w.last-addr {
		return nil
	}
	return w
}
