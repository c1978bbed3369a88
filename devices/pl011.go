package devices

import "sync"

// The registers of the PL011 (DDI0183G §3.2).
const (
	uartDR    = 0x00
	uartRSR   = 0x04 // read: status; write: clear (ECR)
	uartFR    = 0x18
	uartILPR  = 0x20
	uartIBRD  = 0x24
	uartFBRD  = 0x28
	uartLCRH  = 0x2C
	uartCR    = 0x30
	uartIFLS  = 0x34
	uartIMSC  = 0x38
	uartRIS   = 0x3C
	uartMIS   = 0x40
	uartICR   = 0x44
	uartDMACR = 0x48
)

// Flags of UARTFR (DDI0183G §3.3.3).
const (
	frCTS  = 1 << 0
	frDSR  = 1 << 1
	frDCD  = 1 << 2
	frBUSY = 1 << 3
	frRXFE = 1 << 4
	frTXFF = 1 << 5
	frRXFF = 1 << 6
	frTXFE = 1 << 7
	frRI   = 1 << 8
)

// Bits of UARTLCR_H and UARTCR (DDI0183G §3.3.7, §3.3.8).
const (
	lcrFEN   = 1 << 4
	crUARTEN = 1 << 0
	crLBE    = 1 << 7
	crTXE    = 1 << 8
	crRXE    = 1 << 9
	crDTR    = 1 << 10
	crRTS    = 1 << 11
	crOut1   = 1 << 12
	crOut2   = 1 << 13
)

// Interrupts, the same bits in IMSC, RIS, MIS and ICR (DDI0183G §3.3.10).
const (
	intRI  = 1 << 0
	intCTS = 1 << 1
	intDCD = 1 << 2
	intDSR = 1 << 3
	intRX  = 1 << 4
	intTX  = 1 << 5
	intRT  = 1 << 6
	intOE  = 1 << 10
	intAll = 1<<11 - 1
)

// Error bits: of a received character in UARTDR, and of UARTRSR (DDI0183G §3.3.1, §3.3.2).
const (
	drOE  = 1 << 11
	rsrOE = 1 << 3
)

const fifoDepth = 16 // revision r1p1 of the cell, see pl011ID

// pl011ID is the identification of a PL011 r1p1, whose FIFOs are 16 deep (DDI0183G §3.3.14).
var pl011ID = identification{0x11, 0x10, 0x14, 0x00, 0x0D, 0xF0, 0x05, 0xB1}

// triggers are the FIFO levels that a field of UARTIFLS selects: 1/8, 1/4, 1/2, 3/4 and 7/8 full
// (DDI0183G §3.3.9). The reserved values act like the last.
var triggers = [8]int{2, 4, 8, 12, 14, 14, 14, 14}

// modem tells which line status belongs to which output in loopback and to which interrupt.
var modem = [4]struct{ flag, output, interrupt uint32 }{
	{frRI, crOut2, intRI},
	{frCTS, crRTS, intCTS},
	{frDCD, crOut1, intDCD},
	{frDSR, crDTR, intDSR},
}

// PL011 is an Arm PrimeCell UART (DDI0183G) on a line without a speed: what the guest transmits is
// sent at once, and the receive timeout strikes as soon as the host's bytes have been taken.
//
// It departs from the hardware in one point: it transmits even while UARTCR disables it, because
// much early code never enables it. It receives only while enabled.
type PL011 struct {
	out *Output
	irq IRQLine

	mu       sync.Mutex
	rx, tx   fifo
	overrun  bool // the next character received is marked
	rsr      uint32
	ilpr     uint32
	ibrd     uint32
	fbrd     uint32
	lcrh     uint32
	cr       uint32
	ifls     uint32
	imsc     uint32
	ris      uint32
	dmacr    uint32
	line     bool // what irq was last told
	starved  bool // Input turned bytes away
	hasSpace chan struct{}
}

// fifo holds up to fifoDepth characters.
type fifo struct {
	ring    [fifoDepth]uint16
	head, n int
}

func (f *fifo) push(c uint16) {
	f.ring[(f.head+f.n)%fifoDepth] = c
	f.n++
}

func (f *fifo) front() uint16 { return f.ring[f.head] }

func (f *fifo) pop() {
	f.head = (f.head + 1) % fifoDepth
	f.n--
}

// NewPL011 returns a UART after reset, which transmits to out.
func NewPL011(out *Output, irq IRQLine) *PL011 {
	u := &PL011{
		out:      out,
		irq:      irq,
		cr:       crTXE | crRXE,
		ifls:     0x12,
		hasSpace: make(chan struct{}, 1),
	}
	out.onRoom(func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.transmit()
		u.update()
	})
	return u
}

// Input offers bytes that arrived on the line and returns how many the receiver took: it takes none
// while it is disabled, and no more than its FIFO holds. When it took fewer than all, InputSpace
// tells when to offer the rest.
func (u *PL011) Input(p []byte) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := min(len(p), u.space())
	for _, b := range p[:taken] {
		u.receive(uint16(b))
	}
	u.starved = taken < len(p)
	u.update()
	return taken
}

// InputSpace returns a channel that delivers once after each Input that took fewer bytes than it was
// offered, as soon as the receiver would take more. It is meant for one reader, the one that calls
// Input.
func (u *PL011) InputSpace() <-chan struct{} { return u.hasSpace }

// space is how many bytes the receiver would take from the line.
func (u *PL011) space() int {
	if u.cr&crUARTEN == 0 || u.cr&crRXE == 0 || u.cr&crLBE != 0 {
		return 0
	}
	return max(0, u.depth()-u.rx.n)
}

func (u *PL011) depth() int {
	if u.lcrh&lcrFEN == 0 {
		return 1
	}
	return fifoDepth
}

func (u *PL011) rxTrigger() int {
	if u.lcrh&lcrFEN == 0 {
		return 1
	}
	return triggers[u.ifls>>3&7]
}

func (u *PL011) txTrigger() int {
	if u.lcrh&lcrFEN == 0 {
		return 0
	}
	return triggers[u.ifls&7]
}

// receive puts one character into the receive FIFO, or notes an overrun (DDI0183G §2.4.4).
func (u *PL011) receive(c uint16) {
	if u.rx.n >= u.depth() {
		u.overrun = true
		u.rsr |= rsrOE
		u.ris |= intOE
		return
	}
	if u.overrun {
		c |= drOE
		u.overrun = false
	}
	u.rx.push(c)
	if u.rx.n >= u.rxTrigger() {
		u.ris |= intRX
	}
	u.ris |= intRT
}

// readDR takes a character from the receive FIFO and with it the reasons to interrupt.
func (u *PL011) readDR() uint32 {
	if u.rx.n == 0 {
		return 0
	}
	c := uint32(u.rx.front())
	u.rx.pop()
	u.rsr = u.rsr&rsrOE | c>>8
	if u.rx.n < u.rxTrigger() {
		u.ris &^= intRX
	}
	if u.rx.n == 0 {
		u.ris &^= intRT
	}
	return c
}

// writeDR puts a character into the transmit FIFO; one that does not fit is lost, as in hardware.
func (u *PL011) writeDR(c byte) {
	if u.tx.n >= u.depth() {
		return
	}
	u.tx.push(uint16(c))
	if u.tx.n > u.txTrigger() {
		u.ris &^= intTX
	}
	u.transmit()
}

// transmit sends what the line takes. The interrupt comes from characters leaving the FIFO, not from
// the FIFO being empty (DDI0183G §2.8.2).
func (u *PL011) transmit() {
	for u.tx.n > 0 {
		c := u.tx.front()
		if u.cr&crLBE != 0 {
			u.receive(c)
		} else if !u.out.put(byte(c)) {
			return
		}
		u.tx.pop()
		if u.tx.n <= u.txTrigger() {
			u.ris |= intTX
		}
	}
}

// modemFlags returns the line status: the guest's own outputs in loopback, otherwise a far end that
// is there and ready.
func (u *PL011) modemFlags() uint32 {
	if u.cr&crLBE == 0 {
		return frCTS | frDSR | frDCD
	}
	var flags uint32
	for _, m := range modem {
		if u.cr&m.output != 0 {
			flags |= m.flag
		}
	}
	return flags
}

func (u *PL011) flags() uint32 {
	f := u.modemFlags()
	if u.rx.n == 0 {
		f |= frRXFE
	}
	if u.rx.n >= u.depth() {
		f |= frRXFF
	}
	if u.tx.n == 0 {
		f |= frTXFE
	} else {
		f |= frBUSY
	}
	if u.tx.n >= u.depth() {
		f |= frTXFF
	}
	return f
}

func (u *PL011) writeCR(v uint32) {
	before := u.modemFlags()
	u.cr = v & 0xFF87
	changed := before ^ u.modemFlags()
	for _, m := range modem {
		if changed&m.flag != 0 {
			u.ris |= m.interrupt
		}
	}
	u.transmit()
}

// update brings the interrupt line and the input pump up to date after any change.
func (u *PL011) update() {
	if level := u.ris&u.imsc != 0; level != u.line {
		u.line = level
		u.irq.SetLevel(level)
	}
	if u.starved && u.space() > 0 {
		u.starved = false
		select {
		case u.hasSpace <- struct{}{}:
		default:
		}
	}
}

// Read implements Device.
func (u *PL011) Read(offset uint64, size int) uint64 {
	if !wordAccess(offset, size) {
		return 0
	}
	u.mu.Lock()
	v := u.read(offset)
	u.mu.Unlock()
	return uint64(truncate(uint64(v), size))
}

func (u *PL011) read(offset uint64) uint32 {
	switch offset {
	case uartDR:
		c := u.readDR()
		u.update()
		return c
	case uartRSR:
		return u.rsr
	case uartFR:
		return u.flags()
	case uartILPR:
		return u.ilpr
	case uartIBRD:
		return u.ibrd
	case uartFBRD:
		return u.fbrd
	case uartLCRH:
		return u.lcrh
	case uartCR:
		return u.cr
	case uartIFLS:
		return u.ifls
	case uartIMSC:
		return u.imsc
	case uartRIS:
		return u.ris
	case uartMIS:
		return u.ris & u.imsc
	case uartDMACR:
		return u.dmacr
	}
	return pl011ID.read(offset)
}

// Write implements Device.
func (u *PL011) Write(offset uint64, size int, v uint64) {
	if !wordAccess(offset, size) {
		return
	}
	u.mu.Lock()
	u.write(offset, truncate(v, size))
	u.update()
	u.mu.Unlock()
}

func (u *PL011) write(offset uint64, v uint32) {
	switch offset {
	case uartDR:
		u.writeDR(byte(v))
	case uartRSR:
		u.rsr = 0
	case uartILPR:
		u.ilpr = v & 0xFF
	case uartIBRD:
		u.ibrd = v & 0xFFFF
	case uartFBRD:
		u.fbrd = v & 0x3F
	case uartLCRH:
		u.lcrh = v & 0xFF
	case uartCR:
		u.writeCR(v)
	case uartIFLS:
		u.ifls = v & 0x3F
	case uartIMSC:
		u.imsc = v & intAll
	case uartICR:
		u.ris &^= v
	case uartDMACR:
		u.dmacr = v & 7
	}
}
