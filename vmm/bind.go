package vmm

import (
	"github.com/hfvmm/hfvmm/sdei"
)

// spis gives SDEI the interrupts of the primary that hfvmm itself raises: the SPIs of its devices. What the
// kernel raises, such as the timers, cannot be taken away from the GIC.
type spis struct{ m *Machine }

// The distributor's registers with a bit for each INTID (Arm IHI0069 12.9).
var gicdBitmaps = [...]uint32{
	0x100, // GICD_ISENABLER: enabled
	0x200, // GICD_ISPENDR: pending
	0x300, // GICD_ISACTIVER: active
}

// Bind implements sdei.Interrupts.
func (s spis) Bind(intid uint32) sdei.Binding {
	n := intid - firstSPI
	if n >= uint32(len(s.m.lines)) || !s.m.lines[n].used {
		return sdei.NotBindable
	}
	l := &s.m.lines[n]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.high || !s.idle(intid) {
		return sdei.InUse
	}
	l.bound = true
	return sdei.Bound
}

// Release implements sdei.Interrupts.
func (s spis) Release(intid uint32) {
	l := &s.m.lines[intid-firstSPI]
	l.mu.Lock()
	l.bound = false
	s.m.setSPI(intid, l.high)
	l.mu.Unlock()
}

// idle reports whether the GIC has the interrupt neither enabled nor pending nor active.
func (s spis) idle(intid uint32) bool {
	s.m.park()
	defer s.m.resume()
	for _, bitmap := range gicdBitmaps {
		bits, err := s.dist(bitmap + intid/32*4)
		if err != nil {
			s.m.log.Error("cannot tell whether an interrupt is in use", "intid", intid, "error", err)
			return false
		}
		if bits>>(intid%32)&1 != 0 {
			return false
		}
	}
	return true
}

func (s spis) dist(offset uint32) (v uint32, err error) {
	err = accessGIC(func() (err error) {
		v, err = s.m.vms[0].gic.Dist(offset)
		return err
	})
	return v, err
}
