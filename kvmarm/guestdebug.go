package kvmarm

const (
	debugEnable      = 1 << 0  // KVM_GUESTDBG_ENABLE
	debugUseHardware = 1 << 17 // KVM_GUESTDBG_USE_HW
)

// breakpointControl is DBGBCR_EL1 for an address match in EL1 and EL0: BAS (bits 8:5) all of the
// instruction, PMC (2:1) EL1 and EL0, E (0). Arm ARM D24.3.2.
const breakpointControl = 0xf<<5 | 0b11<<1 | 1

// SetBreakpoint arms the one hardware breakpoint of the vCPU: Run returns [ExitDebug] before the
// instruction at the virtual address pc is executed, and again until the breakpoint is elsewhere or
// PC is. Meanwhile the guest's own use of its debug registers has no effect (KVM API §4.87).
func (v *VCPU) SetBreakpoint(pc uint64) error {
	v.scratch.debug = guestDebug{control: debugEnable | debugUseHardware}
	v.scratch.debug.bcr[0] = breakpointControl
	v.scratch.debug.bvr[0] = pc
	return v.setGuestDebug()
}

// ClearBreakpoint gives the debug registers back to the guest.
func (v *VCPU) ClearBreakpoint() error {
	v.scratch.debug = guestDebug{}
	return v.setGuestDebug()
}

func (v *VCPU) setGuestDebug() error {
	if _, errno := ioctlStruct(v.fd, reqSetGuestDebug, &v.scratch.debug); errno != 0 {
		return v.fail(reqSetGuestDebug, errno)
	}
	return nil
}
