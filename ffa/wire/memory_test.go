package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// golden returns the bytes of a file in testdata: hexadecimal digits, with comments behind #.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// twoBorrowers is what the golden files describe.
func twoBorrowers(v Version) (Transaction, Composite, []Constituent) {
	t := Transaction{Sender: 1, Attributes: 0x2f, Flags: 1, Handle: 0x8877665544332211, Tag: 0x0102030405060708, Count: 2}
	end := uint32(HeaderSize(v) + 2*ReceiverSize(v))
	t.Receivers[0] = Receiver{ID: 2, Permissions: DataRW, Composite: end}
	t.Receivers[1] = Receiver{ID: 0x8003, Permissions: DataRO | InstrNX, Flags: 1, Composite: end}
	if v >= Version12 {
		t.Receivers[1].Impdef = [2]uint64{0xa1a2, 0xb1b2}
	}
	t.End = int(end)
	return t, Composite{Pages: 0x101, Ranges: 2}, []Constituent{{0x40001000, 1}, {0x1_4000_0000, 0x100}}
}

func encode(v Version, t Transaction, c Composite, ranges []Constituent) []byte {
	b := make([]byte, HeaderSize(v)+t.Count*ReceiverSize(v)+compositeSize+len(ranges)*ConstituentSize)
	at := t.Encode(b, v)
	c.Encode(b[at:])
	for i, r := range ranges {
		r.Encode(b[at+compositeSize+i*ConstituentSize:])
	}
	return b
}

func TestTransactionHasTheLayoutOfItsVersion(t *testing.T) {
	for _, v := range []Version{Version10, Version11, Version12} {
		want := golden(t, "transaction-"+v.String()+".hex")
		tx, c, ranges := twoBorrowers(v)
		if got := encode(v, tx, c, ranges); !bytes.Equal(got, want) {
			t.Errorf("version %v:\n%swant\n%s", v, hex.Dump(got), hex.Dump(want))
		}
		var got Transaction
		if !got.Decode(want, v) || got != tx {
			t.Errorf("version %v is read as %+v, want %+v", v, got, tx)
		}
		composite, ok := DecodeComposite(want, tx.Receivers[1].Composite)
		if !ok || composite != c {
			t.Errorf("version %v: composite %+v", v, composite)
		}
		for i, r := range ranges {
			if got, ok := DecodeConstituent(want[CompositeEnd(uint32(tx.End))+uint64(i)*ConstituentSize:]); !ok || got != r {
				t.Errorf("version %v: range %d is %+v, want %+v", v, i, got, r)
			}
		}
	}
}

func TestRelinquishHasItsLayout(t *testing.T) {
	b, want := golden(t, "relinquish.hex"), Relinquish{Handle: 0x8877665544332211, Flags: 1, Count: 1, Endpoint: 0x8003}
	if got, ok := DecodeRelinquish(b); !ok || got != want {
		t.Errorf("read as %+v", got)
	}
	if _, ok := DecodeRelinquish(b[:17]); ok {
		t.Error("an endpoint outside the buffer was read")
	}
}

func TestTransactionWithAReservedFieldOrOutsideTheBufferIsRefused(t *testing.T) {
	for _, v := range []Version{Version10, Version11, Version12} {
		tx, c, ranges := twoBorrowers(v)
		good := encode(v, tx, c, ranges)
		change := func(what string, at int, to byte) {
			b := bytes.Clone(good)
			b[at] = to
			var got Transaction
			if got.Decode(b, v) {
				t.Errorf("version %v: %s accepted", v, what)
			}
		}
		change("attribute bit 7", txAttributes, 0x80|0x2f)
		change("no receivers", txEMADCount, 0)
		change("17 receivers", txEMADCount, MaxReceivers+1)
		change("receivers behind the buffer", txEMADCount, 16)
		change("reserved permission bits", HeaderSize(v)+emadPermissions, 0x10)
		change("reserved receiver flags", HeaderSize(v)+emadFlags, 2)
		change("reserved end of a receiver", HeaderSize(v)+ReceiverSize(v)-1, 1)
		if v == Version10 {
			change("version 1.0 with a size of receivers", txEMADSize, 16)
			change("attribute bit 6, which came with 1.1", txAttributes, 0x6f)
			continue
		}
		change("reserved end of the header", txReserved+11, 1)
		change("receivers of 24 bytes", txEMADSize, 24)
		change("receivers in the header", txEMADOffset, 32)
		change("receivers that are not aligned", txEMADOffset, 56)
		change("receivers far away", txEMADOffset+3, 0xff)
	}
	tx, c, ranges := twoBorrowers(Version11)
	b := encode(Version11, tx, c, ranges)
	b[txEMADSize] = emadSize12
	if (&Transaction{}).Decode(b, Version11) {
		t.Error("version 1.1 accepts receivers of 32 bytes")
	}
	for n := range HeaderSize(Version11) {
		if (&Transaction{}).Decode(b[:n], Version11) {
			t.Errorf("a header of %d bytes accepted", n)
		}
	}
	if _, ok := DecodeComposite(b, uint32(len(b)-compositeSize+1)); ok {
		t.Error("a composite descriptor behind the buffer was read")
	}
	if _, ok := DecodeComposite(b, ^uint32(0)); ok {
		t.Error("a composite descriptor far away was read")
	}
}

// From version 1.2 on, an endpoint may send the receivers of 1.1.
func TestVersion12AcceptsTheReceiversOf11(t *testing.T) {
	tx, c, ranges := twoBorrowers(Version11)
	var got Transaction
	if !got.Decode(encode(Version11, tx, c, ranges), Version12) || got != tx {
		t.Errorf("read as %+v", got)
	}
}

func TestTransactionIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom([]Version{Version10, Version11, Version12}).Draw(t, "version")
		mask := uint16(attributesMask)
		if v == Version10 {
			mask = attributesMask10
		}
		tx := Transaction{
			Sender:     rapid.Uint16().Draw(t, "sender"),
			Attributes: rapid.Uint16().Draw(t, "attributes") & mask,
			Flags:      rapid.Uint32().Draw(t, "flags"),
			Handle:     rapid.Uint64().Draw(t, "handle"),
			Tag:        rapid.Uint64().Draw(t, "tag"),
			Count:      rapid.IntRange(1, MaxReceivers).Draw(t, "count"),
		}
		tx.End = HeaderSize(v) + tx.Count*ReceiverSize(v)
		for i := range tx.Count {
			r := &tx.Receivers[i]
			r.ID, r.Composite = rapid.Uint16().Draw(t, "id"), rapid.Uint32().Draw(t, "composite")
			r.Permissions, r.Flags = rapid.Byte().Draw(t, "permissions")&permissions, rapid.Byte().Draw(t, "flags")&1
			if v >= Version12 {
				r.Impdef = [2]uint64{rapid.Uint64().Draw(t, "impdef"), rapid.Uint64().Draw(t, "impdef")}
			}
		}
		b := make([]byte, tx.End)
		var got Transaction
		if n := tx.Encode(b, v); n != tx.End || !got.Decode(b, v) || got != tx {
			t.Fatalf("%d bytes, read as %+v, want %+v", n, got, tx)
		}
	})
}

func FuzzTransaction(f *testing.F) {
	for _, v := range []Version{Version10, Version11, Version12} {
		tx, c, ranges := twoBorrowers(v)
		f.Add(uint32(v), encode(v, tx, c, ranges))
	}
	f.Fuzz(func(t *testing.T, version uint32, b []byte) {
		v := Version10 + Version(version%3)
		var tx Transaction
		if !tx.Decode(b, v) {
			return
		}
		if tx.Count < 1 || tx.Count > MaxReceivers || tx.End > len(b) {
			t.Fatalf("accepted %+v of %d bytes", tx, len(b))
		}
		again := make([]byte, HeaderSize(v)+tx.Count*ReceiverSize(v))
		tx.Encode(again, v)
		var got Transaction
		got.Decode(again, v)
		got.End = tx.End // the original may have its receivers elsewhere
		if got != tx {
			t.Fatalf("read as %+v, then as %+v", tx, got)
		}
		DecodeComposite(b, tx.Receivers[0].Composite)
	})
}

func FuzzRelinquish(f *testing.F) {
	f.Add([]byte{7: 0x80, 12: 1, 16: 2, 17: 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := DecodeRelinquish(b)
		again, _ := binary.Append(nil, le, r)
		if ok != (len(b) >= len(again)) || ok && !bytes.HasPrefix(b, again) {
			t.Fatalf("% x was read as %+v", b, r)
		}
	})
}
