package kvmarm

import (
	"fmt"
	"syscall"
)

// SlotFlags are the flags of a memslot.
type SlotFlags uint32

// ReadOnly makes every write of the guest to the slot an [ExitMMIO].
const ReadOnly SlotFlags = 1 << 1

// SetSlot shows mem to the guest at ipa, as memslot number slot (KVM API §4.35). mem must be mapped,
// not allocated, and outlive the slot. ipa, the address and the length of mem are multiples of the
// host's page size. The slots of a VM do not overlap. A slot that exists can be moved, and its flags
// can change; its length and its memory cannot, and neither can ReadOnly.
//
// The kernel does this while vCPUs run, but an access that falls between two calls sees neither.
func (vm *VM) SetSlot(slot uint32, ipa uint64, mem []byte, flags SlotFlags) error {
	if len(mem) == 0 {
		return fmt.Errorf("%v: slot %d, IPA %#x: a memslot without memory", reqSetUserMemoryRegion, slot, ipa)
	}
	region := memoryRegion{
		slot:          slot,
		flags:         uint32(flags),
		guestPhysAddr: ipa,
		memorySize:    uint64(len(mem)),
		userspaceAddr: offHeapAddress(&mem[0]),
	}
	if errno := vm.setRegion(&region); errno != 0 {
		return slotError(errno, "slot %d, IPA %#x, %#x bytes", slot, ipa, len(mem))
	}
	return nil
}

// DeleteSlot takes memslot number slot away from the guest (KVM API §4.35: a size of 0).
func (vm *VM) DeleteSlot(slot uint32) error {
	region := memoryRegion{slot: slot}
	if errno := vm.setRegion(&region); errno != 0 {
		return slotError(errno, "deleting slot %d", slot)
	}
	return nil
}

// setRegion allocates nothing, for memory changes hands while a guest waits.
func (vm *VM) setRegion(r *memoryRegion) syscall.Errno {
	_, errno := ioctlStruct(vm.fd, reqSetUserMemoryRegion, r)
	return errno
}

func slotError(errno syscall.Errno, format string, args ...any) error {
	return &Error{Call: reqSetUserMemoryRegion.String(), What: fmt.Sprintf(format, args...), Errno: errno}
}
