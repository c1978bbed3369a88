package wire

// Message is the header of an indirect message (DEN0077A §7.5): the message stands at Offset from it.
type Message struct {
	Flags            uint32
	Offset           uint32 // bytes
	Sender, Receiver uint16
	Size             uint32 // bytes of the message
	UUID             UUID   // of the receiver's service, from version 1.2
}

// Offsets of a header, and its sizes.
const (
	msgFlags    = 0  // u32
	msgReserved = 4  // u32
	msgOffset   = 8  // u32
	msgReceiver = 12 // u16
	msgSender   = 14 // u16
	msgSize     = 16 // u32
	msgSize11   = 20
	msgUUID     = 24 // 16 bytes; what is before it is reserved
	msgSize12   = 40
)

// MessageHeader is the size, in bytes, of the header of a sender of version v: the least Offset.
func MessageHeader(v Version) int {
	if v < Version12 {
		return msgSize11
	}
	return msgSize12
}

// MessageOffset is where the message stands for a reader of version v. Readers of version 1.1 find it behind a header
// of 20 bytes; Linux, which knows no such header, wants 24 or more.
func MessageOffset(v Version) int {
	if v < Version12 {
		return msgUUID
	}
	return msgSize12
}

// DecodeMessage reads the header of a sender of version v. It is false where b is too short.
func DecodeMessage(b []byte, v Version) (m Message, ok bool) {
	if len(b) < MessageHeader(v) {
		return m, false
	}
	m = Message{
		Flags: le.Uint32(b[msgFlags:]), Offset: le.Uint32(b[msgOffset:]), Size: le.Uint32(b[msgSize:]),
		Sender: le.Uint16(b[msgSender:]), Receiver: le.Uint16(b[msgReceiver:]),
	}
	if v >= Version12 {
		copy(m.UUID[:], b[msgUUID:msgSize12])
	}
	return m, true
}

// Encode writes the header for a reader of version v, with what is reserved cleared up to MessageOffset.
func (m *Message) Encode(b []byte, v Version) {
	clear(b[:MessageOffset(v)])
	le.PutUint32(b[msgFlags:], m.Flags)
	le.PutUint32(b[msgOffset:], m.Offset)
	le.PutUint16(b[msgReceiver:], m.Receiver)
	le.PutUint16(b[msgSender:], m.Sender)
	le.PutUint32(b[msgSize:], m.Size)
	if v >= Version12 {
		copy(b[msgUUID:], m.UUID[:])
	}
}
