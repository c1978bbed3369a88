package sdei

import (
	"fmt"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Ways into each state of an event's handler, from unregistered.
var waysInto = map[state]func(r *rig, i int, n uint64){
	0: func(*rig, int, uint64) {},
	registered: func(r *rig, i int, n uint64) {
		r.want(success, i, EventRegister, n, handlerOf(n), argumentOf(n), 0, 0)
	},
	registered | enabled: func(r *rig, i int, n uint64) { r.enable(i, n) },
	registered | enabled | running: func(r *rig, i int, n uint64) {
		r.enable(i, n)
		r.trigger(i, n)
		r.takes(i, n)
	},
	registered | running: func(r *rig, i int, n uint64) {
		r.enable(i, n)
		r.trigger(i, n)
		r.takes(i, n)
		r.want(success, i, EventDisable, n)
	},
	running: func(r *rig, i int, n uint64) {
		r.enable(i, n)
		r.trigger(i, n)
		r.takes(i, n)
		r.want(pending, i, EventUnregister, n)
	},
}

// trigger makes event n pending on vCPU i in the way of its kind.
func (r *rig) trigger(i int, n uint64) {
	r.t.Helper()
	if n == 0 {
		r.want(success, i, EventSignal, 0, hypercall.Affinity(i))
	} else if e := r.find(uint32(n)); e.bound {
		r.Interrupt(e.intid, i, false)
		r.Interrupt(e.intid, i, true)
		r.Interrupt(e.intid, i, false)
	} else {
		r.raise(uint32(n), i)
	}
}

// Every call in every state of every kind of event: the result and the next state, as DEN0054C §5.1 and
// §6.1 have them.
func TestEveryCallInEveryStateAnswersAndMovesAsSpecified(t *testing.T) {
	const (
		u   = state(0)
		h   = registered
		he  = registered | enabled
		her = registered | enabled | running
		hr  = registered | running
		r_  = running
	)
	type cell struct {
		want result
		next state
	}
	type line [6]cell // in the order of states
	order := [6]state{u, h, he, her, hr, r_}
	same := func(want result) (l line) {
		for i, s := range order {
			l[i] = cell{want, s}
		}
		return l
	}
	for _, kind := range []struct {
		name           string
		number         uint64
		shared, isSlot bool
	}{
		{"event 0", 0, false, false},
		{"private", evPrivate, false, false},
		{"private critical", evPrivateCritical, false, false},
		{"shared", evShared, true, false},
		{"shared critical", evSharedCritical, true, false},
		{"bound PPI", uint64(privateSlotEvents), false, true},
		{"bound SPI", uint64(sharedSlotEvents), true, true},
	} {
		n := kind.number
		routing := same(invalid)
		info3, info4 := same(invalid), same(invalid)
		if kind.shared {
			routing = line{{denied, u}, {success, h}, {denied, he}, {denied, her}, {denied, hr}, {denied, r_}}
			info3 = line{{denied, u}, {0, h}, {0, he}, {0, her}, {0, hr}, {denied, r_}}
			info4 = line{{denied, u}, {invalid, h}, {invalid, he}, {invalid, her}, {invalid, hr}, {denied, r_}}
		}
		release := same(invalid)
		if kind.isSlot {
			release = same(denied)
			release[0] = cell{success, u}
		}
		status := line{}
		for i, s := range order {
			status[i] = cell{result(s), s}
		}
		reset := line{{success, u}, {success, u}, {success, u}, {denied, r_}, {denied, r_}, {denied, r_}}
		privateReset, sharedReset := reset, same(success)
		if kind.shared {
			privateReset, sharedReset = sharedReset, privateReset
		} else if kind.isSlot {
			for i := 1; i < len(order); i++ {
				sharedReset[i].want = denied
			}
		}
		for _, c := range []struct {
			name string
			fn   hypercall.FuncID
			args []uint64
			line line
		}{
			{"register", EventRegister, []uint64{n, handlerOf(n), 0, 0, 0}, line{{success, h}, {denied, h}, {denied, he}, {denied, her}, {denied, hr}, {denied, r_}}},
			{"enable", EventEnable, []uint64{n}, line{{denied, u}, {success, he}, {success, he}, {success, her}, {success, her}, {denied, r_}}},
			{"disable", EventDisable, []uint64{n}, line{{denied, u}, {success, h}, {success, h}, {success, hr}, {success, hr}, {denied, r_}}},
			{"unregister", EventUnregister, []uint64{n}, line{{denied, u}, {success, u}, {success, u}, {pending, r_}, {pending, r_}, {pending, r_}}},
			{"routing set", EventRoutingSet, []uint64{n, 0, 0}, routing},
			{"release", InterruptRelease, []uint64{n}, release},
			{"status", EventStatus, []uint64{n}, status},
			{"type", EventGetInfo, []uint64{n, infoType}, same(flag(kind.shared))},
			{"signaled", EventGetInfo, []uint64{n, infoSignaled}, same(flag(n != 0))},
			{"priority", EventGetInfo, []uint64{n, infoPriority}, same(flag(n == evPrivateCritical || n == evSharedCritical))},
			{"routing mode", EventGetInfo, []uint64{n, infoRoutingMode}, info3},
			{"routing affinity", EventGetInfo, []uint64{n, infoRoutingAffinity}, info4},
			{"private reset", PrivateReset, nil, privateReset},
			{"shared reset", SharedReset, nil, sharedReset},
			{"context", EventContext, []uint64{5}, line{{denied, u}, {denied, h}, {denied, he}, {0x5555, her}, {0x5555, hr}, {0x5555, r_}}},
			{"complete", EventComplete, []uint64{0}, line{{denied, u}, {denied, h}, {denied, he}, {noResult, he}, {noResult, h}, {noResult, u}}},
			{"complete failed", EventComplete, []uint64{1}, line{{denied, u}, {denied, h}, {denied, he}, {noResult, he}, {noResult, h}, {noResult, u}}},
			{"complete and resume", EventCompleteResume, []uint64{pcStart}, line{{denied, u}, {denied, h}, {denied, he}, {noResult, he}, {noResult, h}, {noResult, u}}},
			{"complete and resume oddly", EventCompleteResume, []uint64{pcStart + 2}, line{{denied, u}, {denied, h}, {denied, he}, {invalid, her}, {invalid, hr}, {invalid, r_}}},
			{"mask", PEMask, nil, line{{0, u}, {0, h}, {1, he}, {1, her}, {1, hr}, {1, r_}}},
			{"unmask", PEUnmask, nil, same(success)},
			{"version", Version, nil, same(VersionResult)},
		} {
			for i, from := range order {
				t.Run(fmt.Sprintf("%s/%s in %03b", kind.name, c.name, from), func(t *testing.T) {
					r := newRig(t, 2)
					if kind.isSlot {
						intid := uint64(spi)
						if !kind.shared {
							intid = ppi
						}
						r.want(result(n), 1, InterruptBind, intid)
					}
					r.guests[0].x[5] = 0
					waysInto[from](r, 0, n)
					if got := r.call(0, EventStatus, n); got != result(from) {
						t.Fatalf("the way led to %03b", got)
					}
					r.guests[0].x[5] = 0
					if from&running != 0 {
						r.pes[0].ctx[r.find(uint32(n)).priority()].x[5] = 0x5555
					}
					want := c.line[i]
					got := r.call(0, c.fn, c.args...)
					if want.want == noResult {
						if got == denied || r.guests[0].x[5] != 0x5555 {
							t.Errorf("did not complete: %d", got)
						}
					} else if got != want.want {
						t.Errorf("returned %d, want %d", got, want.want)
					}
					if c.name == "release" && want.want == success {
						if got := r.call(0, EventStatus, n); got != invalid {
							t.Errorf("the event still exists: %d", got)
						}
						return
					}
					if kind.isSlot && c.fn == SharedReset && want.want == success {
						return // released as well
					}
					if kind.isSlot && c.fn == SharedReset && kind.shared && want.next == u {
						return
					}
					if got := r.call(0, EventStatus, n); got != result(want.next) {
						t.Errorf("then %03b, want %03b", got, want.next)
					}
				})
			}
		}
	}
}

func TestStateMachineHasNoWayIntoStatesThatDoNotExist(t *testing.T) {
	for s := range state(numStates) {
		for op := range numOperations {
			if next := steps[s][op].next; !next.exists() {
				t.Errorf("operation %d of state %03b leads to %03b", op, s, next)
			}
		}
	}
}

func TestPrivateHandlersOfPEsAreIndependent(t *testing.T) {
	r := newRig(t, 2)
	r.run(0)
	r.want(0, 1, EventStatus, 0)
	r.want(denied, 1, EventComplete, 0)
	r.want(denied, 1, EventContext, 0)
	r.enable(1, 0)
	r.want(success, 1, EventUnregister, 0)
	r.want(result(registered|enabled|running), 0, EventStatus, 0)
}

func TestSharedHandlerThatRunsElsewhereIsUnregisteredWhenItCompletes(t *testing.T) {
	r := newRig(t, 2)
	r.enable(0, evShared)
	r.raise(evShared, 0)
	r.takes(0, evShared)
	r.want(result(registered|enabled|running), 1, EventStatus, evShared)
	r.want(denied, 1, EventComplete, 0)
	r.want(pending, 1, EventUnregister, evShared)
	r.want(pending, 0, EventUnregister, evShared)
	r.call(0, EventComplete, 0)
	r.want(0, 1, EventStatus, evShared)
}
