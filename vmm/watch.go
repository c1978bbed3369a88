package vmm

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/hfvmm/hfvmm/kvmarm"
)

// watcher looks after a lent pCPU, for KVM then tells nobody of the primary's own timers, and never
// of a secondary's WFI:
//
//   - it ends the run after a slice, so that what only the kernel sees (an SGI from another vCPU of
//     the primary) is taken soon. That is time that the pCPU's thread had a CPU of the host: where these are
//     few, a run could be over before its first instruction;
//   - it ends the run when a timer of the primary's vCPU expires for which there is no alarm;
//   - it ends the run when the secondary's vCPU blocks in WFI.
//
// It also repeats a kick of the primary's vCPU, which may have come just before the WFI that it was to end.
//
// It samples: a run that is over within a tick costs two atomic operations and no system call. When
// nothing was lent for a while it sleeps until the next lending wakes it.
type watcher struct {
	p      *pcpu
	slice  time.Duration
	tick   time.Duration
	asleep atomic.Bool
	alarm  chan struct{}
	again  atomic.Bool  // a kick is to be repeated
	home   *kvmarm.Peek // registers of the pCPU's own vCPU; nil for a built-in one
}

const (
	// ticksPerSlice is how finely a run is sampled, and maxTick how coarsely at most.
	ticksPerSlice = 4
	maxTick       = time.Millisecond
	// minSlice is the shortest slice that is worth a switch of vCPUs.
	minSlice = 10 * time.Microsecond
	// drowsyTicks without any lending put the watcher to sleep.
	drowsyTicks = 8
)

func (w *watcher) init(p *pcpu) (err error) {
	w.p, w.slice = p, p.m.cfg.Slice
	w.tick = min(w.slice/ticksPerSlice, maxTick)
	w.alarm = make(chan struct{}, 1)
	if p.m.builtin == nil {
		w.home, err = p.home.kvm.NewPeek()
	}
	return err
}

// wake wakes the watcher if it sleeps. The pCPU does that at each lending.
func (w *watcher) wake() {
	if w.asleep.Load() && w.asleep.CompareAndSwap(true, false) {
		w.alarm <- struct{}{}
	}
}

// kickAgain kicks the pCPU's own vCPU at the next tick.
func (w *watcher) kickAgain() {
	w.again.Store(true)
	w.wake()
}

// loop runs until the machine stops.
func (w *watcher) loop() {
	for w.sleep() && w.attend() {
	}
}

// sleep waits for the next lending and reports whether there is one.
func (w *watcher) sleep() bool {
	w.asleep.Store(true)
	if (w.p.lent() || w.again.Load()) && w.asleep.CompareAndSwap(true, false) {
		return true
	}
	select {
	case <-w.alarm:
		return true
	case <-w.p.m.stopped:
		return false
	}
}

// attend samples lendings until there were none for drowsyTicks. It is false once the machine has
// stopped, which it can in the middle of a lending.
func (w *watcher) attend() bool {
	var (
		lending uint64        // the lending that was seen last
		begun   time.Time     // it was seen first,
		ran     time.Duration // and how long the thread had run then
		limit   time.Duration // since then: the slice can be over
		timer   time.Duration // since then: a timer of the primary fires
	)
	slice := w.slice - w.tick
	ticks := time.NewTicker(w.tick)
	defer ticks.Stop()
	for drowsy := 0; drowsy < drowsyTicks; {
		select {
		case <-ticks.C:
		case <-w.p.m.stopped:
			return false
		}
		if w.again.Swap(false) {
			w.p.kick(w.p.home)
		}
		n, run := w.p.switches.Load(), w.p.runs.Load()
		if n&1 == 0 {
			drowsy++
			continue
		}
		drowsy = 0
		if n != lending {
			lending, limit, timer = n, slice, w.homeTimer()
			begun, ran = time.Now(), w.p.cpuTime() // after homeTimer, lest the run end before the timer does
		}
		// One that is idle at its end is idle: the primary need not run it again at once.
		if w.endIdle(n, run) {
			continue
		}
		lasts := time.Since(begun)
		if lasts >= limit {
			limit = lasts + slice - (w.p.cpuTime() - ran)
		}
		if lasts >= min(limit, timer) {
			w.end(n)
		}
	}
	return true
}

// end ends the lending n, and if that is over by now no other.
func (w *watcher) end(n uint64) {
	w.p.overdue.Store(n)
	if v := w.p.cur.Load(); v != w.p.home {
		w.p.kick(v)
	}
}

// endIdle ends the KVM_RUN number run of the lending n if its vCPU is blocked in WFI, and reports whether it did.
func (w *watcher) endIdle(n, run uint64) bool {
	v := w.p.cur.Load()
	if v == w.p.home {
		return false
	}
	blocked, err := v.stats.Blocking()
	// Only if the same run goes on was it this vCPU, in this run, that blocked; and nothing but a
	// signal or its timer wakes it without an exit, so it still is when the kick arrives. What else wakes one with a
	// GIC, it takes at its next run.
	idle := err == nil && blocked && w.p.switches.Load() == n && w.p.runs.Load() == run
	if idle {
		w.p.idleRun.Store(run)
		w.p.kick(v)
	}
	return idle
}

// homeTimer returns how long the timers of the primary's vCPU have still to run.
func (w *watcher) homeTimer() time.Duration {
	left := time.Duration(math.MaxInt64)
	if b := w.p.m.builtin; b != nil {
		return b.untilAlarm()
	}
	for _, t := range [...]struct{ ctl, cval kvmarm.RegID }{
		{kvmarm.RegCNTVCTL, kvmarm.RegCNTVCVAL},
		{kvmarm.RegCNTPCTL, kvmarm.RegCNTPCVAL},
	} {
		ctl, err := w.home.Get(t.ctl)
		if err != nil || !timerFires(ctl) {
			continue
		}
		if cval, err := w.home.Get(t.cval); err == nil {
			left = min(left, untilCount(cval))
		}
	}
	return left
}
