package wire

// Sizes, in bytes, of what a memory transaction is made of (DEN0077A §10).
const (
	ConstituentSize = 16
	compositeSize   = 16

	// MaxReceivers is how many borrowers a transaction may name here.
	MaxReceivers = 16
)

// Transaction is a memory transaction descriptor: what is sent to share, lend or donate memory, to ask for it, and in
// answer to that. Its layout is that of the endpoint that reads it.
type Transaction struct {
	Sender     uint16
	Attributes uint16 // memory region attributes
	Flags      uint32
	Handle     uint64 // 0 when memory is sent
	Tag        uint64

	Receivers [MaxReceivers]Receiver
	Count     int // of Receivers

	End int // offset, in bytes, behind the receivers
}

// Receiver is an endpoint memory access descriptor.
type Receiver struct {
	ID          uint16
	Permissions uint8     // data access in [1:0], instruction access in [3:2]
	Flags       uint8     // bit 0: not the one that retrieves
	Composite   uint32    // offset of the composite descriptor, 0 in a request to retrieve
	Impdef      [2]uint64 // from version 1.2
}

// Data and instruction access in Receiver.Permissions.
const (
	DataMask    = 3 << 0
	DataRO      = 1 << 0
	DataRW      = 2 << 0
	InstrMask   = 3 << 2
	InstrNX     = 1 << 2
	InstrX      = 2 << 2
	permissions = DataMask | InstrMask
)

// Offsets of a transaction's header. Version 1.0 has attributes of one byte and nothing behind the count.
const (
	txSender     = 0  // u16
	txAttributes = 2  // u16, version 1.0: u8
	txFlags      = 4  // u32
	txHandle     = 8  // u64
	txTag        = 16 // u64
	txEMADSize   = 24 // u32, version 1.0: zero
	txEMADCount  = 28 // u32
	txEMADOffset = 32 // u32
	txReserved   = 36 // 12 bytes
	txSize10     = 32
	txSize       = 48

	attributesMask   = 0x7f // of the attributes, the others are zero
	attributesMask10 = 0x3f
)

// Offsets of a receiver.
const (
	emadID          = 0  // u16
	emadPermissions = 2  // u8
	emadFlags       = 3  // u8
	emadComposite   = 4  // u32
	emadImpdef      = 8  // u64[2], from version 1.2
	emadReserved    = 8  // u64, at 24 where there is impdef
	emadSize        = 16 // to version 1.1
	emadSize12      = 32 // from version 1.2
)

// HeaderSize is the size, in bytes, of a transaction up to its receivers.
func HeaderSize(v Version) int {
	if v < Version11 {
		return txSize10
	}
	return txSize
}

// ReceiverSize is the size, in bytes, of a receiver that an endpoint of that version is sent.
func ReceiverSize(v Version) int {
	if v < Version12 {
		return emadSize
	}
	return emadSize12
}

// Decode reads what an endpoint of version v wrote. It is false if a reserved field is used, if there are no or too
// many receivers, or if they do not lie in b.
func (t *Transaction) Decode(b []byte, v Version) bool {
	if len(b) < HeaderSize(v) {
		return false
	}
	*t = Transaction{
		Sender: le.Uint16(b[txSender:]),
		Flags:  le.Uint32(b[txFlags:]),
		Handle: le.Uint64(b[txHandle:]),
		Tag:    le.Uint64(b[txTag:]),
	}
	attributes, size, count := le.Uint16(b[txAttributes:]), le.Uint32(b[txEMADSize:]), le.Uint32(b[txEMADCount:])
	offset, mask := uint32(txSize10), uint16(attributesMask10)
	if v < Version11 {
		if size != 0 {
			return false
		}
		size = emadSize
	} else {
		offset, mask = le.Uint32(b[txEMADOffset:]), attributesMask
		if !zeros(b[txReserved:txSize]) || size != emadSize && (size != emadSize12 || v < Version12) ||
			offset < txSize || offset%16 != 0 {
			return false
		}
	}
	if attributes&^mask != 0 || count == 0 || count > MaxReceivers ||
		uint64(offset)+uint64(count)*uint64(size) > uint64(len(b)) {
		return false
	}
	t.Attributes, t.Count = attributes, int(count)
	t.End = int(offset + count*size)
	for i := range t.Count {
		if !t.Receivers[i].decode(b[int(offset)+i*int(size):][:size]) {
			return false
		}
	}
	return true
}

func (r *Receiver) decode(b []byte) bool {
	r.ID, r.Permissions, r.Flags = le.Uint16(b[emadID:]), b[emadPermissions], b[emadFlags]
	r.Composite = le.Uint32(b[emadComposite:])
	reserved := b[emadReserved:]
	if len(b) == emadSize12 {
		r.Impdef = [2]uint64{le.Uint64(b[emadImpdef:]), le.Uint64(b[emadImpdef+8:])}
		reserved = b[emadImpdef+16:]
	}
	return zeros(reserved) && r.Permissions&^permissions == 0 && r.Flags&^1 == 0
}

// Encode writes the transaction to b, as an endpoint of version v reads it, and returns its size. b has room for
// HeaderSize and Count times ReceiverSize.
func (t *Transaction) Encode(b []byte, v Version) int {
	offset, size := HeaderSize(v), ReceiverSize(v)
	end := offset + t.Count*size
	clear(b[:end])
	le.PutUint16(b[txSender:], t.Sender)
	le.PutUint16(b[txAttributes:], t.Attributes)
	le.PutUint32(b[txFlags:], t.Flags)
	le.PutUint64(b[txHandle:], t.Handle)
	le.PutUint64(b[txTag:], t.Tag)
	le.PutUint32(b[txEMADCount:], uint32(t.Count))
	if v >= Version11 {
		le.PutUint32(b[txEMADSize:], uint32(size))
		le.PutUint32(b[txEMADOffset:], uint32(offset))
	}
	for i := range t.Count {
		t.Receivers[i].encode(b[offset+i*size:][:size])
	}
	return end
}

func (r *Receiver) encode(b []byte) {
	le.PutUint16(b[emadID:], r.ID)
	b[emadPermissions], b[emadFlags] = r.Permissions, r.Flags
	le.PutUint32(b[emadComposite:], r.Composite)
	if len(b) == emadSize12 {
		le.PutUint64(b[emadImpdef:], r.Impdef[0])
		le.PutUint64(b[emadImpdef+8:], r.Impdef[1])
	}
}

// Composite is the head of the list of a transaction's memory, which follows it.
type Composite struct {
	Pages  uint32 // of 4 KiB, of all ranges
	Ranges uint32
}

// CompositeEnd is the offset behind a composite descriptor at that offset: where the ranges begin.
func CompositeEnd(offset uint32) uint64 { return uint64(offset) + compositeSize }

// DecodeComposite reads the composite descriptor at that offset of b.
func DecodeComposite(b []byte, offset uint32) (c Composite, ok bool) {
	if CompositeEnd(offset) > uint64(len(b)) {
		return Composite{}, false
	}
	b = b[offset:][:compositeSize]
	return Composite{le.Uint32(b), le.Uint32(b[4:])}, zeros(b[8:])
}

// Encode writes the composite descriptor to b.
func (c Composite) Encode(b []byte) {
	le.PutUint32(b, c.Pages)
	le.PutUint32(b[4:], c.Ranges)
	clear(b[8:compositeSize])
}

// Constituent is a range of memory of a composite descriptor.
type Constituent struct {
	Address uint64 // IPA
	Pages   uint32 // of 4 KiB
}

// DecodeConstituent reads the range at the beginning of b, which has ConstituentSize bytes or more.
func DecodeConstituent(b []byte) (c Constituent, ok bool) {
	return Constituent{le.Uint64(b), le.Uint32(b[8:])}, zeros(b[12:ConstituentSize])
}

// Encode writes the range to b.
func (c Constituent) Encode(b []byte) {
	le.PutUint64(b, c.Address)
	le.PutUint32(b[8:], c.Pages)
	clear(b[12:ConstituentSize])
}

// Relinquish is the descriptor with which borrowers give memory back.
type Relinquish struct {
	Handle   uint64
	Flags    uint32
	Count    uint32 // of endpoints
	Endpoint uint16 // the first
}

const relinquishSize = 16 // without endpoints

// DecodeRelinquish reads a descriptor. It is false if the first endpoint is not in b.
func DecodeRelinquish(b []byte) (r Relinquish, ok bool) {
	if len(b) < relinquishSize+2 {
		return Relinquish{}, false
	}
	return Relinquish{le.Uint64(b), le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint16(b[relinquishSize:])}, true
}

func zeros(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
