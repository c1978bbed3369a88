package devices

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"
)

// fakeClock stands still until it is moved.
type fakeClock struct {
	now   time.Time
	bells []*bell
}

type bell struct {
	at      time.Time
	f       func()
	stopped bool
}

func (c *fakeClock) Now() time.Time { return c.now }

func (c *fakeClock) AfterFunc(d time.Duration, f func()) (stop func()) {
	b := &bell{at: c.now.Add(d), f: f}
	c.bells = append(c.bells, b)
	return func() { b.stopped = true }
}

// set moves the clock to now and rings what is due.
func (c *fakeClock) set(now time.Time) {
	c.now = now
	bells := c.bells
	c.bells = nil
	for _, b := range bells {
		switch {
		case b.stopped:
		case b.at.After(now):
			c.bells = append(c.bells, b)
		default:
			b.stopped = true
			b.f()
		}
	}
}

func (c *fakeClock) advance(d time.Duration) { c.set(c.now.Add(d)) }

func (c *fakeClock) waiting() (n int) {
	for _, b := range c.bells {
		if !b.stopped {
			n++
		}
	}
	return n
}

// rtc is a PL031 on a fake clock.
type rtc struct {
	*PL031
	rig
	clock *fakeClock
}

const epoch = 1_700_000_000

func newRTC(t testing.TB) *rtc {
	c := &fakeClock{now: time.Unix(epoch, 0)}
	w := &wire{t: t}
	d := NewPL031(c, w)
	return &rtc{d, rig{t, d, w}, c}
}

func TestPL031ResetValues(t *testing.T) {
	r := newRTC(t)
	for _, reg := range []struct {
		name   string
		offset uint64
		want   uint32
	}{
		{"DR", rtcDR, epoch}, {"MR", rtcMR, 0}, {"LR", rtcLR, epoch}, {"CR", rtcCR, 1}, {"IMSC", rtcIMSC, 0},
		{"RIS", rtcRIS, 0}, {"MIS", rtcMIS, 0}, {"ICR", rtcICR, 0},
		{"PeriphID0", 0xFE0, 0x31}, {"PeriphID1", 0xFE4, 0x10}, {"PeriphID2", 0xFE8, 0x04}, {"PeriphID3", 0xFEC, 0},
		{"PCellID0", 0xFF0, 0x0D}, {"PCellID1", 0xFF4, 0xF0}, {"PCellID2", 0xFF8, 0x05}, {"PCellID3", 0xFFC, 0xB1},
	} {
		r.check(reg.name, r.get(reg.offset), reg.want)
	}
}

func TestPL031CountsTheHostsSeconds(t *testing.T) {
	r := newRTC(t)
	r.clock.advance(1500 * time.Millisecond)
	r.check("DR", r.get(rtcDR), epoch+1)
	r.set(rtcLR, 42)
	r.check("LR", r.get(rtcLR), 42)
	r.check("DR", r.get(rtcDR), 42)
	r.clock.advance(10 * time.Second)
	r.check("DR", r.get(rtcDR), 52)
	r.set(rtcDR, 7)
	r.set(rtcCR, 0)
	r.check("DR after writes that do nothing", r.get(rtcDR), 52)
}

func TestPL031AlarmRingsWithoutTheGuestAsking(t *testing.T) {
	r := newRTC(t)
	r.set(rtcMR, epoch+60)
	r.set(rtcIMSC, 1)
	r.clock.advance(59 * time.Second)
	r.checkLine("a second before", false)
	r.clock.advance(time.Second)
	r.checkLine("on time", true)
	r.check("MIS", r.get(rtcMIS), 1)
	r.set(rtcICR, 1)
	r.checkLine("cleared", false)
	r.check("RIS", r.get(rtcRIS), 0)
	r.clock.advance(time.Hour)
	r.checkLine("an hour later", false)
}

func TestPL031AlarmIsNoticedWhenMasked(t *testing.T) {
	r := newRTC(t)
	r.set(rtcMR, epoch+5)
	r.clock.advance(7 * time.Second)
	r.checkLine("masked", false)
	r.check("RIS", r.get(rtcRIS), 1)
	r.check("MIS", r.get(rtcMIS), 0)
	r.set(rtcIMSC, 1)
	r.checkLine("unmasked", true)
	r.set(rtcIMSC, 0)
	r.checkLine("masked again", false)
}

func TestPL031AlarmForNowRingsNow(t *testing.T) {
	r := newRTC(t)
	r.set(rtcIMSC, 1)
	r.set(rtcMR, epoch)
	r.checkLine("match equals the counter", true)
}

func TestPL031AlarmMovesWithTheCounter(t *testing.T) {
	r := newRTC(t)
	r.set(rtcIMSC, 1)
	r.set(rtcMR, 100)
	r.set(rtcLR, 90)
	r.clock.advance(9 * time.Second)
	r.checkLine("at 99", false)
	r.clock.advance(time.Second)
	r.checkLine("at 100", true)
}

func TestPL031AlarmComesAfterTheCounterWraps(t *testing.T) {
	r := newRTC(t)
	r.set(rtcIMSC, 1)
	r.set(rtcLR, 0xFFFF_FFFE)
	r.set(rtcMR, 3)
	r.clock.advance(4 * time.Second)
	r.check("DR", r.get(rtcDR), 2)
	r.checkLine("at 2", false)
	r.clock.advance(time.Second)
	r.checkLine("at 3", true)
}

func TestPL031WaitsOnWhenTheHostsClockWasSetBack(t *testing.T) {
	r := newRTC(t)
	r.set(rtcIMSC, 1)
	r.set(rtcMR, epoch+10)
	r.clock.now = time.Unix(epoch-100, 0)
	r.clock.bells[len(r.clock.bells)-1].f() // monotonic time has passed, the wall clock has not
	r.checkLine("110 seconds before", false)
	r.clock.set(time.Unix(epoch+10, 0))
	r.checkLine("on time", true)
}

func TestPL031AlarmIsSoonNoticedWhenTheHostsClockWasSetForward(t *testing.T) {
	r := newRTC(t)
	r.set(rtcIMSC, 1)
	r.set(rtcMR, epoch+3600)
	r.clock.advance(2 * longestNap) // it naps on
	r.clock.now = r.clock.now.Add(2 * time.Hour)
	for _, b := range r.clock.bells {
		b.at = b.at.Add(2 * time.Hour) // the wall clock has passed, monotonic time has not
	}
	r.checkLine("at once", false)
	r.clock.advance(longestNap)
	r.checkLine("a nap later", true)
}

func TestPL031KeepsATimerOnlyWhileTheGuestWouldHearOfIt(t *testing.T) {
	r := newRTC(t)
	r.set(rtcMR, epoch+10)
	r.check("timers while masked", uint32(r.clock.waiting()), 0)
	r.set(rtcIMSC, 1)
	r.get(rtcDR)
	r.check("timers", uint32(r.clock.waiting()), 1)
	r.Close()
	r.check("timers after Close", uint32(r.clock.waiting()), 0)
	r.clock.advance(time.Minute)
	r.checkLine("after Close", false)
}

func TestPL031LeavesTheLineAloneAfterClose(t *testing.T) {
	r := newRTC(t)
	r.set(rtcIMSC, 1)
	r.set(rtcMR, epoch+10)
	late := r.clock.bells[len(r.clock.bells)-1].f
	r.clock.now = time.Unix(epoch+10, 0)
	r.get(rtcDR) // the guest's access comes before the timer
	r.Close()
	late()
	r.checkLine("after Close", true)
}

func TestPL031RingsOnTheHostsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{t: t}
		r := NewPL031(HostClock{}, w)
		defer r.Close()
		r.Write(rtcIMSC, 4, 1)
		r.Write(rtcMR, 4, r.Read(rtcDR, 4)+2)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if r.Read(rtcMIS, 4) != 1 || !w.high {
			t.Error("the alarm did not ring")
		}
	})
}

func TestPL031IgnoresOddAccesses(t *testing.T) {
	r := newRTC(t)
	for _, a := range []struct {
		offset uint64
		size   int
	}{{rtcDR, 8}, {1, 1}, {6, 2}, {rtcMR, 0}, {rtcMR, 3}, {0x20, 4}, {0x1000, 4}, {^uint64(0) - 3, 4}} {
		r.Write(a.offset, a.size, ^uint64(0))
		if v := r.Read(a.offset, a.size); v != 0 {
			t.Errorf("read of %d at %#x gives %#x", a.size, a.offset, v)
		}
	}
	r.check("MR", r.get(rtcMR), 0)
	if v := r.Read(rtcDR, 2); v != epoch&0xFFFF {
		t.Errorf("half read gives %#x", v)
	}
}

func TestReadingThePL031DoesNotAllocate(t *testing.T) {
	r := newRTC(t)
	r.set(rtcIMSC, 1)
	if n := testing.AllocsPerRun(100, func() { r.get(rtcDR) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPL031(f *testing.F) {
	f.Add([]byte("\x01\x04\x10\x00\x01\x00\x00\x00\x01\x04\x04\x00\x05\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		r := newRTC(t)
		fuzzDevice(r, ops, func(p []byte) {
			r.clock.advance(time.Duration(binary.LittleEndian.Uint32(p[4:])) * time.Second)
			if due := r.ris&r.imsc != 0; due != r.wire.high {
				t.Errorf("interrupt pending %v and the line %v", due, r.wire.high)
			}
		})
		if mis := r.get(rtcMIS); r.wire.high != (mis != 0) {
			t.Errorf("MIS is %#x and the line %v", mis, r.wire.high)
		}
	})
}
