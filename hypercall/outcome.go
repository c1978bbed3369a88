package hypercall

// Action is what becomes of the physical CPU (pCPU) after a call.
type Action uint8

// The actions. They are exhaustive: nothing else moves control between vCPUs.
const (
	// Return re-enters the caller, whose registers hold the result.
	Return Action = iota
	// Enter runs Outcome.VCPU, a vCPU of a secondary, on the caller's pCPU. The caller stays where
	// it is until the entered vCPU leaves.
	Enter
	// Leave goes back to the vCPU that entered the caller; its registers hold the result.
	Leave
	// Suspend stops the caller until an interrupt is pending for it, then re-enters it.
	Suspend
	// Off stops the caller until some other vCPU powers it on with Outcome.Wake.
	Off
	// Stop ends the machine for Outcome.Reason.
	Stop
)

// StopReason says why the machine stops.
type StopReason uint8

// The reasons for Stop.
const (
	PowerOff StopReason = iota + 1
	Reset
)

// Outcome is what a service wants done after a call. The zero value returns to the caller.
type Outcome struct {
	Action Action
	Reason StopReason
	VCPU   *VCPU // Enter: the vCPU to run
	Wake   *VCPU // a powered-off vCPU of the primary that was given a boot state, or nil
	Ended  bool  // the VM of the caller, a secondary, is no more: none of its vCPUs runs again
}
