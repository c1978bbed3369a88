package vmm

import (
	"time"

	"github.com/hfvmm/hfvmm/kvmarm"
)

// alarm ends a lending when the virtual timer of the pCPU's own vCPU expires, for KVM looks after the timer
// only of a vCPU that is in KVM_RUN. A timer of the host sends a signal to the thread. It belongs to that
// thread.
//
// Reading the timer costs a system call. It is saved for a vCPU whose last run was brief: the next one will
// hardly keep home from its interrupt, and if it lasts after all the watcher finds it within a tick.
//
// The signal ends a KVM_RUN, but not one that is about to begin. So it is repeated until the thread
// has seen that the time has come, for which the thread looks before each KVM_RUN.
type alarm struct {
	timer *threadTimer
	due   uint64 // counter value at which timer signals, or 0
	spent uint64 // deadline of home's timer that has ended a lending
	off   bool   // home's timer was last found disabled or masked
}

// alarmRepeat is how late the alarm is if it came just before a KVM_RUN.
const alarmRepeat = 200 * time.Microsecond

// init makes the alarm one of the calling thread.
func (a *alarm) init() (err error) {
	a.timer, err = newThreadTimer()
	return err
}

// briefRun is how long a run may last to count as brief.
const briefRun = 100 * time.Microsecond

// noteRun notes whether the run of v that ends was brief. One that was cut short says nothing about the next.
func (p *pcpu) noteRun(v *vcpu) {
	if brief := !p.cut && sinceCount(p.entered) < briefRun; brief != v.brief.Load() {
		v.brief.Store(brief)
	}
	p.cut = false
}

// setAlarm is called when home is about to lend the pCPU. Mostly one register tells that there is nothing
// to do: of a timer that is off the control, of one that runs the deadline, for which the alarm is set
// already, or which comes after the slice.
func (p *pcpu) setAlarm() {
	a := &p.alarm
	if a.timer == nil { // the built-in primary has no such timer
		return
	}
	if a.off {
		if a.off = !timerFires(p.home.get(kvmarm.RegCNTVCTL)); a.off {
			return
		}
	}
	deadline := p.home.get(kvmarm.RegCNTVCVAL)
	switch left := untilCount(deadline); {
	case left == 0:
		if p.timerExpired(deadline) {
			p.requests.Or(reqPreempt)
		}
	case left < p.watch.slice && deadline != a.due:
		a.due = deadline
		a.timer.start(left, alarmRepeat)
	}
}

// timerExpired reports whether home's timer, whose deadline has passed, has an interrupt to give. It says so
// once of each deadline: a primary that has the timer's interrupt disabled is not to stop secondaries.
func (p *pcpu) timerExpired(deadline uint64) bool {
	a := &p.alarm
	if a.off = !timerFires(p.home.get(kvmarm.RegCNTVCTL)); a.off || deadline == a.spent {
		return false
	}
	a.spent = deadline
	return true
}

// alarmed reports whether home's timer has expired since it lent the pCPU.
func (p *pcpu) alarmed() bool {
	a := &p.alarm
	if a.due == 0 || kvmarm.Counter() < a.due {
		return false
	}
	p.stopAlarm()
	if p.cur.Load() == p.home {
		return false
	}
	deadline := p.home.get(kvmarm.RegCNTVCVAL)
	return untilCount(deadline) == 0 && p.timerExpired(deadline)
}

func (p *pcpu) stopAlarm() {
	if p.alarm.due != 0 {
		p.alarm.due = 0
		p.alarm.timer.stop()
	}
}
