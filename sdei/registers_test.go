package sdei

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRegistersHaveTheEncodingsOfTheSeries(t *testing.T) {
	const arm64, u64, u128, u2048, firmware = 0x6 << 60, 3 << 52, 4 << 52, 8 << 52, 0x14 << 16
	for i, id := range Registers {
		size, words := uint64(u64), 1
		switch {
		case i < 4:
			size, words = u128, 2
		case id == RegContext:
			size, words = u2048, 32
		}
		if want := arm64 | size | firmware | uint64(4+i); uint64(id) != want || id.words() != words {
			t.Errorf("register %d is %#x of %d words, want %#x of %d", i, uint64(id), id.words(), want, words)
		}
	}
}

func TestRegistersCarryEveryStateOfEvent0(t *testing.T) {
	for from, way := range waysInto {
		r := newRig(t, 1)
		way(r, 0, 0)
		if from&registered != 0 {
			r.trigger(0, 0)
		}
		want := r.Save()
		var moved PEState
		for _, id := range Registers {
			v, err := want.PEs[0].Register(id)
			if err != nil {
				t.Fatal(err)
			}
			if err := moved.SetRegister(id, v); err != nil {
				t.Fatal(err)
			}
		}
		fresh := newRig(t, 1)
		if err := fresh.Restore(State{PEs: []PEState{moved}}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, fresh.Save()); d != "" {
			t.Errorf("state %03b:\n%s", from, d)
		}
	}
}

func TestHandlers2And3AreZeroAndIgnoreWrites(t *testing.T) {
	var p PEState
	for _, id := range []RegisterID{RegHandler2, RegHandler3} {
		if err := p.SetRegister(id, []uint64{1, 2}); err != nil {
			t.Error(err)
		}
		if v, err := p.Register(id); err != nil || v[0] != 0 || v[1] != 0 {
			t.Errorf("%#x: %v, %v", uint64(id), v, err)
		}
	}
}

func TestTamperedRegistersAreRefused(t *testing.T) {
	context := make([]uint64, 32)
	context[0] = 1
	rest := make([]uint64, 32)
	rest[31] = 1
	for _, c := range []struct {
		id     RegisterID
		v      []uint64
		reason string
	}{
		{RegPEState + 1, []uint64{0}, "there is no register 0x603000000014000e"},
		{RegHandler0, []uint64{0}, "has 2 words of 64 bits, not 1"},
		{RegPEState, []uint64{2}, "neither 0 nor 1"},
		{RegRunning, []uint64{3}, "cannot run at once"},
		{RegContext, context, "no event of normal priority runs"},
		{RegContext, rest, "words 20 to 31"},
	} {
		var p PEState
		if err := p.SetRegister(c.id, c.v); err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%#x: error %v, want one with %q", uint64(c.id), err, c.reason)
		}
	}
	if _, err := new(PEState).Register(RegPEState + 1); err == nil {
		t.Error("a register that does not exist was read")
	}
	for id, v := range map[RegisterID]uint64{RegEnabled: 1, RegPending: 1, RegRegistered: 1 << 7, RegRunning: 2} {
		var p PEState
		if err := p.SetRegister(id, []uint64{v}); err != nil {
			t.Fatal(err)
		}
		if err := newRig(t, 1).Restore(State{PEs: []PEState{p}}); err == nil {
			t.Errorf("%#x = %#x alone was restored", uint64(id), v)
		}
	}
}
