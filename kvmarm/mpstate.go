package kvmarm

// MPState is the power state of a vCPU (KVM API §4.38).
type MPState uint32

// The states of an arm64 vCPU.
const (
	MPRunnable  MPState = 0
	MPStopped   MPState = 5  // Run blocks until another vCPU or SetMPState starts it
	MPSuspended MPState = 10 // Run blocks until an interrupt is pending, then exits with SystemEventWakeup
)

// MPState returns the power state.
func (v *VCPU) MPState() (MPState, error) {
	var s uint32
	if _, errno := ioctlStruct(v.fd, reqGetMPState, &s); errno != 0 {
		return 0, v.fail(reqGetMPState, errno)
	}
	return MPState(s), nil
}

// SetMPState changes the power state. MPSuspended lasts until it is set back to MPRunnable.
func (v *VCPU) SetMPState(s MPState) error {
	if _, errno := ioctlStruct(v.fd, reqSetMPState, (*uint32)(&s)); errno != 0 {
		return v.fail(reqSetMPState, errno)
	}
	return nil
}
