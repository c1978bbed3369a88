package devices

import (
	"sync"
	"time"
)

// Clock is the time of day and a way to be called at some time of it.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f once, not before d has passed, unless the returned function was called
	// first. f runs on a goroutine of its own.
	AfterFunc(d time.Duration, f func()) (stop func())
}

// HostClock is the host's clock.
type HostClock struct{}

// Now implements Clock.
func (HostClock) Now() time.Time { return time.Now() }

// AfterFunc implements Clock.
func (HostClock) AfterFunc(d time.Duration, f func()) (stop func()) {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// The registers of the PL031 (DDI0224C §3.2).
const (
	rtcDR   = 0x00
	rtcMR   = 0x04
	rtcLR   = 0x08
	rtcCR   = 0x0C
	rtcIMSC = 0x10
	rtcRIS  = 0x14
	rtcMIS  = 0x18
	rtcICR  = 0x1C
)

// pl031ID is the identification of a PL031 (DDI0224C §3.3.9).
var pl031ID = identification{0x31, 0x10, 0x04, 0x00, 0x0D, 0xF0, 0x05, 0xB1}

// PL031 is an Arm PrimeCell real-time clock (DDI0224C): seconds since 1970 in 32 bits, and an alarm.
// It runs and tells the host's time from the start, as a clock with a battery does; what the guest
// sets lasts as long as the machine.
type PL031 struct {
	clock Clock
	irq   IRQLine

	mu     sync.Mutex
	offset uint32 // guest's seconds minus host's
	load   uint32
	match  uint32
	imsc   uint32
	ris    uint32
	line   bool   // what irq was last told
	alarm  int64  // host's second in which the counter next equals match
	armed  int64  // host's second for which the timer is set, while stop is not nil
	stop   func() // of the timer that rings the alarm, or nil
}

// NewPL031 returns a clock after reset. Close releases it.
func NewPL031(clock Clock, irq IRQLine) *PL031 {
	now := clock.Now().Unix()
	r := &PL031{clock: clock, irq: irq, load: uint32(now)}
	r.watch(now)
	return r
}

// Close stops the alarm for ever. The line stays as it is.
func (r *PL031) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.imsc = 0
	r.disarm()
}

// watch waits for the first match from the host's second now on.
func (r *PL031) watch(now int64) {
	r.alarm = now + int64(r.match-r.counter(now))
}

// counter returns what the guest's clock shows in the host's second now.
func (r *PL031) counter(now int64) uint32 { return uint32(now) + r.offset }

// longestNap is how long the timer runs at most: it counts time that passes, and the host's clock can be set, or the host
// suspended, meanwhile.
const longestNap = 30 * time.Second

// update raises the raw interrupt if the time has come, drives the line, and sees to it that it is
// called when that will change. The timer runs only while the guest would hear of it.
func (r *PL031) update(now time.Time) {
	if r.alarm <= now.Unix() {
		r.ris = 1
		r.watch(r.alarm + 1)
	}
	if level := r.ris&r.imsc != 0; level != r.line {
		r.line = level
		r.irq.SetLevel(level)
	}
	switch wanted := r.imsc != 0 && r.ris == 0; {
	case !wanted:
		r.disarm()
	case r.stop == nil || r.armed != r.alarm:
		r.disarm()
		r.armed = r.alarm
		r.stop = r.clock.AfterFunc(min(time.Unix(r.alarm, 0).Sub(now), longestNap), r.ring)
	}
}

func (r *PL031) disarm() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

// ring is called by the timer, early if the alarm is far away or the host's clock was set back, and late if it was
// stopped meanwhile.
func (r *PL031) ring() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop == nil {
		return
	}
	r.disarm()
	r.update(r.clock.Now())
}

// Read implements Device.
func (r *PL031) Read(offset uint64, size int) uint64 {
	if !wordAccess(offset, size) {
		return 0
	}
	r.mu.Lock()
	now := r.clock.Now()
	r.update(now)
	v := r.read(offset, now.Unix())
	r.mu.Unlock()
	return uint64(truncate(uint64(v), size))
}

func (r *PL031) read(offset uint64, now int64) uint32 {
	switch offset {
	case rtcDR:
		return r.counter(now)
	case rtcMR:
		return r.match
	case rtcLR:
		return r.load
	case rtcCR:
		return 1 // it cannot be stopped once started, and it starts started
	case rtcIMSC:
		return r.imsc
	case rtcRIS:
		return r.ris
	case rtcMIS:
		return r.ris & r.imsc
	}
	return pl031ID.read(offset)
}

// Write implements Device.
func (r *PL031) Write(offset uint64, size int, v uint64) {
	if !wordAccess(offset, size) {
		return
	}
	r.mu.Lock()
	now := r.clock.Now()
	r.update(now)
	r.write(offset, truncate(v, size), now.Unix())
	r.update(now)
	r.mu.Unlock()
}

func (r *PL031) write(offset uint64, v uint32, now int64) {
	switch offset {
	case rtcMR:
		r.match = v
		r.watch(now)
	case rtcLR:
		r.load = v
		r.offset = v - uint32(now)
		r.watch(now)
	case rtcIMSC:
		r.imsc = v & 1
	case rtcICR:
		r.ris &^= v
	}
}
