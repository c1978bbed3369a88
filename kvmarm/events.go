package kvmarm

// Events are the exceptions that wait to be taken by a vCPU (KVM API §4.31).
type Events struct {
	SErrorPending bool
	SErrorHasESR  bool   // SErrorESR counts
	SErrorESR     uint64 // bits 24:0 of the syndrome
	// ExtAbortPending injects a synchronous external data abort whose FAR is that of the last exit,
	// such as an ExitMMIO or ExitARMNISV; the access is then not completed. It always reads false.
	ExtAbortPending bool
}

// Events returns what is pending.
func (v *VCPU) Events() (Events, error) {
	var e vcpuEvents
	if _, errno := ioctlStruct(v.fd, reqGetVCPUEvents, &e); errno != 0 {
		return Events{}, v.fail(reqGetVCPUEvents, errno)
	}
	return Events{
		SErrorPending:   e.serrorPending != 0,
		SErrorHasESR:    e.serrorHasESR != 0,
		SErrorESR:       e.serrorESR,
		ExtAbortPending: e.extDABTPending != 0,
	}, nil
}

// SetEvents makes exceptions pending.
func (v *VCPU) SetEvents(events Events) error {
	e := vcpuEvents{
		serrorPending:  flag(events.SErrorPending),
		serrorHasESR:   flag(events.SErrorHasESR),
		extDABTPending: flag(events.ExtAbortPending),
		serrorESR:      events.SErrorESR,
	}
	if _, errno := ioctlStruct(v.fd, reqSetVCPUEvents, &e); errno != 0 {
		return v.fail(reqSetVCPUEvents, errno)
	}
	return nil
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}
