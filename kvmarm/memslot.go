package kvmarm

import "fmt"

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
	what := fmt.Sprintf("slot %d, IPA %#x, %#x bytes", slot, ipa, len(mem))
	if len(mem) == 0 {
		return fmt.Errorf("%v: %s: a memslot without memory", reqSetUserMemoryRegion, what)
	}
	return pass(vm.fd, reqSetUserMemoryRegion, &memoryRegion{
		slot:          slot,
		flags:         uint32(flags),
		guestPhysAddr: ipa,
		memorySize:    uint64(len(mem)),
		userspaceAddr: offHeapAddress(&mem[0]),
	}, what)
}

// DeleteSlot takes memslot number slot away from the guest.
func (vm *VM) DeleteSlot(slot uint32) error {
	return pass(vm.fd, reqSetUserMemoryRegion, &memoryRegion{slot: slot}, fmt.Sprintf("deleting slot %d", slot))
}
