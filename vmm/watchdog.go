package vmm

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/hfvmm/hfvmm/hypercall"
)

// watchdogCall is the function of the watchdog, x1 what is asked of it: the interface of Linux's driver arm_smc_wdt, whose
// number this is as well. Times are in seconds (Linux drivers/watchdog/arm_smc_wdt.c).
const watchdogCall hypercall.FuncID = 0x82003D06

const (
	watchdogInit       = iota // x1, x2: the shortest and the longest time
	watchdogSetTimeout        // to x2
	watchdogEnable            // if x2 is 1, disable if it is 0
	watchdogPet
	watchdogTimeLeft // x1, 0 if it is disabled
)

const (
	minWatchdogSeconds = 1
	maxWatchdogSeconds = 24 * 60 * 60
)

// watchdog is the primary's. Once the primary has enabled it and does not pet it for its timeout, it bites; not
// petted for as long again, it resets. What the primary does with the bite is its own business: only petting or
// disabling it helps.
type watchdog struct {
	bite, reset func()

	mu       sync.Mutex
	timeout  time.Duration
	timer    *time.Timer
	deadline time.Time // of the next bite or reset
	enabled  bool
	bitten   bool
	held     time.Duration // what was left when the machine was paused
	paused   bool

	acting sync.WaitGroup // counts the bites and resets that have begun, from before mu is let go
}

func newWatchdog(timeout time.Duration, bite, reset func()) *watchdog {
	w := &watchdog{bite: bite, reset: reset, timeout: timeout}
	w.timer = time.AfterFunc(math.MaxInt64, w.expired)
	return w
}

// Ranges implements hypercall.Service.
func (*watchdog) Ranges() []hypercall.Range {
	return []hypercall.Range{{First: watchdogCall, Count: 1}}
}

// Call implements hypercall.Service. Both conduits serve; the results are those of PSCI.
func (w *watchdog) Call(v *hypercall.VCPU, _ hypercall.FuncID, _ hypercall.Conduit) hypercall.Outcome {
	what, value := v.Regs.W(1), v.Regs.W(2)
	w.mu.Lock()
	defer w.mu.Unlock()
	res := hypercall.PSCISuccess
	switch {
	case what == watchdogInit:
		v.Regs.SetX(1, minWatchdogSeconds)
		v.Regs.SetX(2, maxWatchdogSeconds)
	case what == watchdogSetTimeout && value >= minWatchdogSeconds && value <= maxWatchdogSeconds:
		w.timeout = time.Duration(value) * time.Second
		w.pet()
	case what == watchdogEnable && value <= 1:
		w.enabled = value == 1
		w.pet()
	case what == watchdogPet:
		w.pet()
	case what == watchdogTimeLeft:
		v.Regs.SetX(1, w.secondsLeft())
	case what > watchdogTimeLeft:
		res = hypercall.PSCINotSupported
	default:
		res = hypercall.PSCIInvalidParameters
	}
	v.Regs.SetX(0, res.X())
	return hypercall.Outcome{}
}

// pet begins a new timeout, or none if the watchdog is disabled.
func (w *watchdog) pet() {
	w.bitten = false
	w.run(w.timeout)
}

func (w *watchdog) run(d time.Duration) {
	if !w.enabled {
		w.timer.Stop()
		return
	}
	w.deadline = time.Now().Add(d)
	w.timer.Reset(d)
}

// secondsLeft is the time to the next bite or reset, rounded up.
func (w *watchdog) secondsLeft() uint64 {
	if !w.enabled {
		return 0
	}
	return uint64((max(time.Until(w.deadline), 0) + time.Second - 1) / time.Second)
}

// expired is called by the timer, which may have been set anew meanwhile.
func (w *watchdog) expired() {
	w.mu.Lock()
	if !w.enabled || w.paused || time.Now().Before(w.deadline) {
		w.mu.Unlock()
		return
	}
	act := w.reset
	if !w.bitten {
		act = w.bite
		w.bitten = true
		w.run(w.timeout)
	}
	w.acting.Add(1)
	w.mu.Unlock()
	act()
	w.acting.Done()
}

// pause holds the watchdog while the machine is paused.
func (w *watchdog) pause() {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.paused, w.held = true, time.Until(w.deadline)
	w.timer.Stop()
	w.mu.Unlock()
}

func (w *watchdog) resume() {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.paused = false
	w.run(w.held)
	w.mu.Unlock()
}

// close stops it for good: it neither bites nor resets any more, and has done what it had begun.
func (w *watchdog) close() {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.enabled = false
	w.timer.Stop()
	w.mu.Unlock()
	w.acting.Wait()
}

// errWatchdog is the end of a machine whose primary did not answer.
var errWatchdog = errors.New("it did not pet the watchdog, not even after its event")

// addWatchdog gives the primary its watchdog.
func (m *Machine) addWatchdog(primary *vm) hypercall.Service {
	m.watchdog = newWatchdog(m.cfg.Watchdog, func() {
		m.log.Warn("the primary does not pet the watchdog", "event", hex(eventWatchdog), "cpus", m.cpuStates())
		if err := primary.sdei.Raise(eventWatchdog, 0); err != nil {
			m.log.Error("no event for the watchdog", "error", err)
		}
	}, func() { m.end(Hung, errWatchdog) })
	return m.watchdog
}

// cpuStates says in a word for each pCPU whose vCPU it runs.
func (m *Machine) cpuStates() string {
	text := ""
	for i, p := range m.pcpus {
		state := "off"
		if p.on.Load() {
			v := p.cur.Load()
			state = fmt.Sprintf("%s.%d", v.vm.name, v.ID.Index)
		}
		text += fmt.Sprintf(" %d:%s", i, state)
	}
	return text[1:]
}
