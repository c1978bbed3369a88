package devices

import "testing"

// wire is an interrupt line that counts its changes.
type wire struct {
	t       testing.TB
	high    bool
	changes int
}

func (w *wire) SetLevel(high bool) {
	if high == w.high {
		w.t.Errorf("SetLevel(%v) is no change", high)
	}
	w.high = high
	w.changes++
}

// rig is a device as a guest sees it, and its interrupt line.
type rig struct {
	t      testing.TB
	device Device
	wire   *wire
}

func (r rig) get(offset uint64) uint32    { return uint32(r.device.Read(offset, 4)) }
func (r rig) set(offset uint64, v uint32) { r.device.Write(offset, 4, uint64(v)) }

func (r rig) check(what string, got, want uint32) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("%s is %#x, want %#x", what, got, want)
	}
}

func (r rig) checkLine(when string, want bool) {
	r.t.Helper()
	if r.wire.high != want {
		r.t.Errorf("%s: the interrupt line is %v, want %v", when, r.wire.high, want)
	}
}
