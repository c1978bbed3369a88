package wire

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

var someUUID = UUID{0x48, 0x61, 0x78, 0xe0, 0xe7, 0xf8, 0x11, 0xe3, 0xbc, 0x5e, 0x00, 0x02, 0xa5, 0xd5, 0xc5, 0x1b}

func TestUUIDStandsInRegistersByteByByte(t *testing.T) {
	u, err := ParseUUID("486178e0-e7f8-11e3-bc5e-0002a5d5c51b")
	if err != nil || u != someUUID || u.String() != "486178e0-e7f8-11e3-bc5e-0002a5d5c51b" {
		t.Fatalf("read %v, error %v", u, err)
	}
	if got := UUIDOfWords([4]uint32{0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5}); got != u {
		t.Errorf("of words: %v, want %v", got, u)
	}
	if got := UUIDOfHalves(0xe311f8e7e0786148, 0x1bc5d5a502005ebc); got != u {
		t.Errorf("of halves: %v, want %v", got, u)
	}
	for _, bad := range []string{"", "486178e0e7f811e3bc5e0002a5d5c51b", "486178e0-e7f8-11e3-bc5e-0002a5d5c51g", "486178e0-e7f8-11e3-bc5e_0002a5d5c51b", "486178e0-e7f8-11e3-bc5e-0002a5d5c51b0"} {
		if _, err := ParseUUID(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestPartitionInfoHasTheLayoutOfItsVersion(t *testing.T) {
	info := PartitionInfo{ID: 0x8001, VCPUs: 8, Properties: ReceivesDirect | Indirect | ReceivesNotifications | AArch64 | ReceivesDirect2, UUID: someUUID, ImageUUID: UUID{0xaa, 15: 0xbb}, Version: Version12}
	for _, v := range []Version{Version10, Version11, Version12, Version13} {
		want := golden(t, "partition-"+v.String()+".hex")
		got := make([]byte, len(want))
		if info.Encode(got, v); !bytes.Equal(got, want) || len(want) != PartitionInfoSize(v) {
			t.Errorf("version %v:\n%x, want\n%x", v, got, want)
		}
		x := make([]uint64, len(want)/8)
		info.EncodeRegs(x, v)
		for i, x := range x {
			if b := fmt.Sprintf("%016x", x); b[14:] != fmt.Sprintf("%02x", want[8*i]) {
				t.Errorf("version %v: register %d is %#x", v, i, x)
			}
		}
	}
}

func TestWordOfPartitionInfoRegistersHasItsFields(t *testing.T) {
	if got := InfoWord(6, 4, Version12); got != 0x0018_0001_0004_0006 {
		t.Errorf("%#x", got)
	}
	if InfoRegs(Version12) != 5 || InfoRegs(Version13) != 2 {
		t.Errorf("%d descriptors of 24 bytes and %d of 48", InfoRegs(Version12), InfoRegs(Version13))
	}
	if start, tag := InfoRequest(0xFFFF_0007_0005); start != 5 || tag != 7 {
		t.Errorf("index %d, tag %d", start, tag)
	}
}

func TestMessageHeaderHasTheLayoutOfItsVersion(t *testing.T) {
	for _, v := range []Version{Version11, Version12} {
		m := Message{Flags: 0x01020304, Offset: 0x30, Sender: 0x8001, Receiver: 2, Size: 0x123}
		if v >= Version12 {
			m.UUID = someUUID
		}
		want := golden(t, "message-"+v.String()+".hex")
		got := bytes.Repeat([]byte{0xff}, len(want))
		if m.Encode(got, v); !bytes.Equal(got, want) || len(want) != MessageOffset(v) {
			t.Errorf("version %v:\n%x, want\n%x", v, got, want)
		}
		if read, ok := DecodeMessage(want[:MessageHeader(v)], v); !ok || read != m {
			t.Errorf("version %v: read %+v", v, read)
		}
		if _, ok := DecodeMessage(want[:MessageHeader(v)-1], v); ok {
			t.Errorf("version %v: read beyond the end", v)
		}
	}
}

func TestBootInformationHasItsLayout(t *testing.T) {
	want := golden(t, "bootinfo.hex")
	got := make([]byte, len(want))
	EncodeBootInfo(got, Version12, []BootItem{{Name: "fdt", Type: BootFDT, Size: 0x1234, Address: 0x1_4000_1000}, {Name: "0123456789abcdef", Type: 1, Size: 1, Address: 2}})
	if !bytes.Equal(got, want) || len(want) != BootInfoSize(2) {
		t.Errorf("\n%x, want\n%x", got, want)
	}
}

// The example of a list with a partition's global notifications, three vCPUs of another, and one more of that.
func TestNotificationListIsPacked(t *testing.T) {
	for _, c := range []struct {
		wide bool
		want [6]uint64
	}{
		{true, [6]uint64{3<<7 | 3<<14 | 1<<16, 0x0001_0000_8002_0001, 0x0003_8002_0002, 0, 0, 0}},
		{false, [6]uint64{3<<7 | 3<<14 | 1<<16, 0x8002_0001, 0x0001_0000, 0x8002_0002, 0x0003, 0}},
	} {
		l := NotificationList{Wide: c.wide}
		ok := l.Global(1) && l.VCPU(0x8002, 0) && l.VCPU(0x8002, 1) && l.VCPU(0x8002, 2) && l.VCPU(0x8002, 3)
		if got := l.Regs(); !ok || got != c.want {
			t.Errorf("wide %v: %#x, want %#x", c.wide, got, c.want)
		}
	}
}

// Whatever is added comes out again, in order, until there is no room.
func TestNotificationListReturnsWhatFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NotificationList{Wide: rapid.Bool().Draw(t, "wide")}
		var added, got []string
		for range rapid.IntRange(0, 30).Draw(t, "entries") {
			p, vcpu := rapid.Uint16Range(1, 3).Draw(t, "partition"), rapid.Uint16Range(0, 9).Draw(t, "vCPU")
			global := rapid.Bool().Draw(t, "global")
			name, ok := fmt.Sprint(p, "/", vcpu), false
			if global {
				name, ok = fmt.Sprint(p), l.Global(p)
			} else {
				ok = l.VCPU(p, vcpu)
			}
			if !ok {
				break
			}
			added = append(added, name)
		}
		x := l.Regs()
		if l.More != (x[0]&1 != 0) || l.Empty() != (len(added) == 0) {
			t.Fatalf("%#x", x)
		}
		var ids []uint16
		for _, x := range x[1:] {
			for at := 0; at < 64 && (l.Wide || at < 32); at += 16 {
				ids = append(ids, uint16(x>>at))
			}
		}
		for i := range x[0] >> 7 & 0x1F {
			vcpus := x[0] >> (12 + 2*i) & 3
			if vcpus == 0 {
				got = append(got, fmt.Sprint(ids[0]))
			}
			for _, v := range ids[1:][:vcpus] {
				got = append(got, fmt.Sprint(ids[0], "/", v))
			}
			ids = ids[1+vcpus:]
		}
		if fmt.Sprint(got) != fmt.Sprint(added) {
			t.Fatalf("added %v, read %v", added, got)
		}
	})
}

func FuzzDecodeMessage(f *testing.F) {
	f.Add(make([]byte, 40), uint32(Version12))
	f.Fuzz(func(t *testing.T, b []byte, version uint32) {
		v := Version(version)
		m, ok := DecodeMessage(b, v)
		if !ok {
			return
		}
		out := make([]byte, MessageOffset(v))
		m.Encode(out, v)
		if read, _ := DecodeMessage(out, v); read != m {
			t.Errorf("%+v was written and %+v read", m, read)
		}
	})
}
