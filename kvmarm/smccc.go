package kvmarm

import "fmt"

const smcccForwardToUser = 2 // KVM_SMCCC_FILTER_FWD_TO_USER

// HasSMCCCFilter reports whether FilterSMCCC works: Linux 6.4 and later.
func (vm *VM) HasSMCCCFilter() bool {
	return pass(vm.fd, reqHasDeviceAttr, &deviceAttr{group: groupSMCCC, attr: attrSMCCCFilter}, "") == nil
}

// FilterSMCCC makes count function identifiers from first come out as [ExitHypercall], for HVC and SMC
// alike (Linux Documentation/virt/kvm/devices/vm.rst §6). Call it before any vCPU ran (EBUSY afterwards). Ranges do not overlap each other or the
// architecture's own calls, 0x80000000 and 0xC0000000 and up (EEXIST). A call in no range is answered
// by the kernel, which serves what it knows and gives -1 in x0 and 0 in x1 to x3 otherwise.
func (vm *VM) FilterSMCCC(first, count uint32) error {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	vm.scratch.filter = smcccFilter{base: first, nrFunctions: count, action: smcccForwardToUser}
	return attr(vm.fd, reqSetDeviceAttr, groupSMCCC, attrSMCCCFilter, &vm.scratch.filter,
		fmt.Sprintf("SMCCC filter for %d functions from %#x", count, first))
}
