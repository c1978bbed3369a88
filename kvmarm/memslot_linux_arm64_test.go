package kvmarm

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// loadAndStore loads x3 from [x1], stores x2 there, and calls.
var loadAndStore = []uint32{
	0xf9400023, // ldr x3, [x1]
	0xf9000022, // str x2, [x1]
	insnHVC,
}

const secondSlot, secondBase = 1, 0x5000_0000

// withSecondSlot returns a guest of loadAndStore and memory that is not yet in a slot.
func withSecondSlot(t *testing.T) (*guest, []byte) {
	g := newGuest(t, loadAndStore...)
	mem, err := unix.Mmap(-1, 0, ramSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	g.check(err)
	t.Cleanup(func() { unix.Munmap(mem) })
	binary.LittleEndian.PutUint64(mem[0x40:], 0x1122)
	g.set(RegX(1), secondBase+0x40)
	g.set(RegX(2), 0x3344)
	return g, mem
}

func TestReadOnlySlotIsReadAndExitsOnWrite(t *testing.T) {
	g, mem := withSecondSlot(t)
	g.check(g.vm.SetSlot(secondSlot, secondBase, mem, ReadOnly))
	g.run(ExitMMIO)
	g.want("loaded value", g.get(RegX(3)), 0x1122)
	if got, want := g.vcpu.MMIO(), (MMIO{Addr: secondBase + 0x40, Data: 0x3344, Len: 8, Write: true}); got != want {
		t.Errorf("exit is %+v, want %+v", got, want)
	}
	g.runToCall(callBase + 1)
	g.want("memory", binary.LittleEndian.Uint64(mem[0x40:]), 0x1122)
}

func TestDeletedSlotExitsOnEachAccess(t *testing.T) {
	g, mem := withSecondSlot(t)
	g.check(g.vm.SetSlot(secondSlot, secondBase, mem, 0))
	g.runToCall(callBase + 1)
	g.want("loaded value", g.get(RegX(3)), 0x1122)

	g.check(g.vm.DeleteSlot(secondSlot))
	g.set(RegPC, ramBase)
	g.run(ExitMMIO)
	g.want("address", g.vcpu.MMIO().Addr, secondBase+0x40)
	g.run(ExitMMIO)
	if !g.vcpu.MMIO().Write {
		t.Error("the second access is not the store")
	}
	g.runToCall(callBase + 1)
}

func TestSlotsComeAndGoWithoutAllocation(t *testing.T) {
	g, mem := withSecondSlot(t)
	allocs := testing.AllocsPerRun(20, func() {
		g.check(g.vm.SetSlot(secondSlot, secondBase, mem, ReadOnly))
		g.check(g.vm.DeleteSlot(secondSlot))
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a slot that comes and goes", allocs)
	}
}

func TestOverlappingSlotIsAnErrorThatNamesIt(t *testing.T) {
	g, mem := withSecondSlot(t)
	err := g.vm.SetSlot(secondSlot, ramBase, mem, 0)
	if !errors.Is(err, unix.EEXIST) || !strings.Contains(err.Error(), "slot 1, IPA 0x40000000, 0x100000 bytes") {
		t.Errorf("error is %v", err)
	}
}

func TestSlotWithoutMemoryIsRefused(t *testing.T) {
	g := newGuest(t)
	if err := g.vm.SetSlot(secondSlot, secondBase, nil, 0); err == nil {
		t.Error("a slot without memory was accepted")
	}
}
