package hypercall

import "testing"

func TestRegsLoadsARegisterOnce(t *testing.T) {
	b := &bank{}
	b.x[3] = 0x1_0000_0002
	r := NewRegs(b)
	if r.X(3) != 0x1_0000_0002 || r.W(3) != 2 || b.loads != 1 {
		t.Errorf("x3 = %#x, w3 = %#x after %d loads", r.X(3), r.W(3), b.loads)
	}
	r.Flush()
	if b.stores != 0 {
		t.Errorf("%d stores of a register that was only read", b.stores)
	}
}

func TestRegsStoresAChangedRegisterOnceAndOnlyAtFlush(t *testing.T) {
	b := &bank{}
	r := NewRegs(b)
	r.SetX(2, 7)
	if r.SetX(2, 8); b.loads != 0 || b.stores != 0 || r.X(2) != 8 {
		t.Fatalf("%d loads, %d stores, x2 = %d before the flush", b.loads, b.stores, r.X(2))
	}
	r.Flush()
	if r.Flush(); b.stores != 1 || b.x[2] != 8 {
		t.Errorf("%d stores, x2 = %d", b.stores, b.x[2])
	}
}

func TestRegsDoesNotStoreWhatTheGuestHasAlready(t *testing.T) {
	b := &bank{}
	b.x[1] = 5
	r := NewRegs(b)
	r.SetX(1, r.X(1))
	if r.Flush(); b.stores != 0 {
		t.Errorf("%d stores", b.stores)
	}
}

func TestRegsForgetsAfterTheGuestRan(t *testing.T) {
	b := &bank{}
	r := NewRegs(b)
	r.X(0)
	r.Flush()
	b.x[0] = 9
	if r.Forget(); r.X(0) != 9 {
		t.Errorf("x0 = %d, want the new value", r.X(0))
	}
}

func TestTakeBootComesOncePerReset(t *testing.T) {
	v := &VCPU{}
	if _, ok := v.TakeBoot(); ok {
		t.Error("a boot state without a reset")
	}
	v.Reset(Boot{Entry: 1, X0: 2})
	if b, ok := v.TakeBoot(); !ok || b != (Boot{Entry: 1, X0: 2}) {
		t.Errorf("boot = %+v, %v", b, ok)
	}
	if _, ok := v.TakeBoot(); ok {
		t.Error("a second boot state")
	}
}
