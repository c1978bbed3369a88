package kvmarm

const (
	debugEnable      = 1 << 0  // KVM_GUESTDBG_ENABLE
	debugUseHardware = 1 << 17 // KVM_GUESTDBG_USE_HW
)

// breakpointControl is DBGBCR_EL1 for an address match in EL1 and EL0: BAS (bits 8:5) all of the
// instruction, PMC (2:1) EL1 and EL0, E (0). Arm ARM D24.3.2.
const breakpointControl = 0xf<<5 | 0b11<<1 | 1

// SetBreakpoint arms hardware breakpoint n of the vCPU: Run returns [ExitDebug] before the instruction at
// the virtual address pc is executed, and again until the breakpoint is elsewhere or PC is. n is below
// what [CapGuestDebugHWBPs] says, which is 2 at least where it is not 0. While any is armed the guest's
// own use of its debug registers has no effect (KVM API §4.87).
func (v *VCPU) SetBreakpoint(n int, pc uint64) error {
	d := &v.scratch.debug
	d.control = debugEnable | debugUseHardware
	d.bcr[n], d.bvr[n] = breakpointControl, pc
	return v.setGuestDebug()
}

// ClearBreakpoint disarms breakpoint n, as of SetBreakpoint. With the last one the guest has its debug registers back.
func (v *VCPU) ClearBreakpoint(n int) error {
	d := &v.scratch.debug
	d.bcr[n], d.bvr[n] = 0, 0
	if d.bcr == [debugRegisters]uint64{} {
		d.control = 0
	}
	return v.setGuestDebug()
}

func (v *VCPU) setGuestDebug() error {
	if _, errno := ioctlStruct(v.fd, reqSetGuestDebug, &v.scratch.debug); errno != 0 {
		return v.fail(reqSetGuestDebug, errno)
	}
	return nil
}
