package boot

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/dt"
)

// partition returns a manifest of version 1.0 with these properties instead of, or beside, those that it must have.
func partition(more ...dt.Property) *dt.Node {
	n := node("", strs("compatible", ffaManifest10), u32("ffa-version", 1<<16|1),
		u32("uuid", 0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5), u32("messaging-method", 3),
		u32("execution-ctx-count", 2), u32("exception-level", 0), u32("execution-state", 0))
	for _, p := range more {
		without(n, p.Name, p)
	}
	return n
}

func present(name string) dt.Property { return dt.Property{Name: name} }

func child(name, compatible string, properties ...dt.Property) *dt.Node {
	return node(name, append([]dt.Property{strs("compatible", compatible)}, properties...)...)
}

var opteeUUID = [16]byte{0x48, 0x61, 0x78, 0xe0, 0xe7, 0xf8, 0x11, 0xe3, 0xbc, 0x5e, 0x00, 0x02, 0xa5, 0xd5, 0xc5, 0x1b}

func TestPartitionManifestOfVersion10IsRead(t *testing.T) {
	n := partition(u32("uuid", 0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5, 1, 2, 3, 4), u32("entrypoint-offset", 0x4000),
		u32("boot-order", 5), u32("id", 0x8001), u32("gp-register-num", 2), present("notification-support"), present("managed-exit"),
		present("managed-exit-virq"), u32("vm-availability-messages", 3), u32("power-management-messages", 1), u32("xlat-granule", 0), str("description", "a partition"))
	n.Children = []*dt.Node{child("boot-info", "arm,ffa-manifest-boot-info", present("ffa_manifest"))}
	b := blob(t, n)
	got, err := ParsePartitionManifest(b)
	if err != nil {
		t.Fatal(err)
	}
	want := &PartitionManifest{
		Version: 1<<16 | 1, Contexts: 2, BootOrder: 5, ID: 0x8001, Entry: 0x4000, GPRegister: 2,
		Services: []PartitionService{
			{opteeUUID, MessagingDirectReceive | MessagingDirectSend},
			{[16]byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4}, MessagingDirectReceive | MessagingDirectSend},
		},
		Notifications: true, BootInformation: true, NSInterrupts: NSInterruptManagedExit, VMMessages: VMCreated | VMDestroyed, PowerMessages: PowerCPUOff,
		Blob: b,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestEachUUIDHasItsMessagingMethodOrAllHaveOne(t *testing.T) {
	uuids := u32("uuid", 1, 2, 3, 4, 5, 6, 7, 8)
	for _, c := range []struct{ cells, want []uint32 }{{[]uint32{1, 4}, []uint32{1, 4}}, {[]uint32{3}, []uint32{3, 3}}} {
		m, err := ParsePartitionManifest(blob(t, partition(uuids, u32("messaging-method", c.cells...))))
		if err != nil || len(m.Services) != 2 || m.Services[0].Messaging != c.want[0] || m.Services[1].Messaging != c.want[1] {
			t.Errorf("%v: %+v, %v", c.cells, m, err)
		}
	}
}

func TestActionOnInterruptsIsThatOfTheNewerProperty(t *testing.T) {
	exit, virq := present("managed-exit"), present("managed-exit-virq")
	action := func(n uint32) dt.Property { return u32("ns-interrupts-action", n) }
	for _, c := range []struct {
		properties []dt.Property
		want       int
	}{
		{nil, NSInterruptSignaled},
		{[]dt.Property{exit, virq}, NSInterruptManagedExit},
		{[]dt.Property{action(1), virq}, NSInterruptManagedExit},
		{[]dt.Property{exit, action(0)}, NSInterruptQueued},
		{[]dt.Property{action(2), exit}, NSInterruptSignaled},
	} {
		m, err := ParsePartitionManifest(blob(t, partition(c.properties...)))
		if err != nil || m.NSInterrupts != c.want {
			t.Errorf("%v: %+v, %v; want %d", c.properties, m, err, c.want)
		}
	}
}

func TestPartitionManifestOfVersion11HasServices(t *testing.T) {
	n := partition(strs("compatible", ffaManifest11))
	n.RemoveProperty("uuid")
	n.RemoveProperty("messaging-method")
	services := child("services", "arm,ffa-manifest-services")
	services.Children = []*dt.Node{
		node("service0", str("uuid", "486178e0-e7f8-11e3-bc5e-0002a5d5c51b"), u32("messaging-method", 0x607)),
		node("service1", str("uuid", "00000000-0000-0000-0000-000000000001"), u32("messaging-method", 1)),
	}
	n.Children = []*dt.Node{services}
	got, err := ParsePartitionManifest(blob(t, n))
	if err != nil {
		t.Fatal(err)
	}
	want := []PartitionService{{opteeUUID, messagingKnown}, {[16]byte{15: 1}, MessagingDirectReceive}}
	if d := cmp.Diff(want, got.Services); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestPartitionManifestThatCannotBeHonouredIsRefusedByName(t *testing.T) {
	lacking := func(name string) *dt.Node {
		n := partition()
		n.RemoveProperty(name)
		return n
	}
	with := func(c *dt.Node) *dt.Node {
		n := partition()
		n.Children = []*dt.Node{c}
		return n
	}
	service := func(properties ...dt.Property) *dt.Node {
		c := child("services", "arm,ffa-manifest-services")
		c.Children = []*dt.Node{node("service0", properties...)}
		return with(c)
	}
	for want, n := range map[string]*dt.Node{
		"compatible with \"hafnium,hafnium\"":                      partition(strs("compatible", "hafnium,hafnium")),
		"property spin-rate is unknown":                            partition(u32("spin-rate", 1)),
		"no property ffa-version":                                  lacking("ffa-version"),
		"no property execution-ctx-count":                          lacking("execution-ctx-count"),
		"no property exception-level":                              lacking("exception-level"),
		"no property execution-state":                              lacking("execution-state"),
		"no UUID":                                                  lacking("uuid"),
		"uuid is not a list of UUIDs":                              partition(u32("uuid", 1, 2, 3)),
		"messaging-method has 2 cells":                             partition(u32("messaging-method", 1, 2)),
		"messaging-method has the unknown bits 0x8":                partition(u32("messaging-method", 9)),
		"ffa-version is 0x20000":                                   partition(u32("ffa-version", 2<<16)),
		"execution-ctx-count is 0x0":                               partition(u32("execution-ctx-count", 0)),
		"exception-level is 1; here it can be 0 (EL1) or 2":        partition(u32("exception-level", 1)),
		"execution-state is 1":                                     partition(u32("execution-state", 1)),
		"xlat-granule is 2":                                        partition(u32("xlat-granule", 2)),
		"entrypoint-offset is 0x2; instructions lie at":            partition(u32("entrypoint-offset", 2)),
		"gp-register-num is 0x4":                                   partition(u32("gp-register-num", 4)),
		"ns-interrupts-action is 0x3":                              partition(u32("ns-interrupts-action", 3)),
		"vm-availability-messages is 0x4":                          partition(u32("vm-availability-messages", 4)),
		"add the property managed-exit-virq":                       partition(u32("ns-interrupts-action", 1)),
		"boot-order is not a number":                               partition(str("boot-order", "first")),
		"load-address cannot be honoured: hfvmm chooses":           partition(u32("load-address", 0x4000_0000)),
		"power-management-messages is 0x3, and CPU_SUSPEND cannot": partition(u32("power-management-messages", 3)),
		"power-management-messages is 0x8":                         partition(u32("power-management-messages", 8)),
		"node devices cannot be honoured: no devices are assigned": with(child("devices", "arm,ffa-manifest-device-regions")),
		"node what, compatible with \"x\", is unknown":             with(child("what", "x")),
		"boot-info asks for hob_list":                              with(child("boot-info", "arm,ffa-manifest-boot-info", present("hob_list"))),
		"service0 has no uuid":                                     service(u32("messaging-method", 1)),
		"service0: \"xyz\" is not a UUID":                          service(str("uuid", "xyz"), u32("messaging-method", 1)),
		"service0 has no messaging-method":                         service(str("uuid", "486178e0-e7f8-11e3-bc5e-0002a5d5c51b")),
	} {
		_, err := ParsePartitionManifest(blob(t, n))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

func TestPartitionManifestIsReadFromItsSource(t *testing.T) {
	dtc := needDTC(t)
	got, err := ReadPartitionManifest(filepath.Join("testdata", "partition.dts"), filepath.Dir(dtc))
	if err != nil {
		t.Fatal(err)
	}
	if got.Contexts != 8 || len(got.Services) != 1 || got.Services[0].UUID != opteeUUID {
		t.Errorf("%+v", got)
	}
}

func TestPartitionManifestOfTheGuideIsAccepted(t *testing.T) {
	needDTC(t)
	guide, err := os.ReadFile("../../docs/guide.md")
	if err != nil {
		t.Fatal(err)
	}
	var source []byte
	for _, block := range bytes.SplitAfter(guide, []byte("\n\n")) {
		if bytes.Contains(block, []byte(ffaManifest10)) && bytes.Contains(block, []byte("/dts-v1/;")) {
			source = block
		}
	}
	path := filepath.Join(t.TempDir(), "guide.dts")
	if err := os.WriteFile(path, source, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := ReadPartitionManifest(path, "")
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	if want := []PartitionService{{opteeUUID, messagingKnown}}; !m.Secure || !slices.Equal(m.Services, want) {
		t.Errorf("secure %v, services %+v, want %+v", m.Secure, m.Services, want)
	}
}

func TestPartitionPackageIsSplit(t *testing.T) {
	b := make([]byte, 0x5000)
	copy(b, packageMagic)
	for i, v := range []uint32{2, 0x1000, 0x20, 0x4000, 0x1000} {
		binary.LittleEndian.PutUint32(b[4+4*i:], v)
	}
	copy(b[0x1000:], "manifest")
	copy(b[0x4000:], "image")
	p, err := ParsePartitionPackage(b)
	if err != nil || len(p.Manifest) != 0x20 || len(p.Image) != 0x1000 || !bytes.HasPrefix(p.Manifest, []byte("manifest")) || !bytes.HasPrefix(p.Image, []byte("image")) {
		t.Errorf("%+v, %v", p, err)
	}
	for want, change := range map[string]func(b []byte){
		"is no partition package":   func(b []byte) { b[0] = 'X' },
		"version 3":                 func(b []byte) { b[4] = 3 },
		"manifest lies outside":     func(b []byte) { b[10] = 0xff },
		"image is empty":            func(b []byte) { clear(b[20:24]) },
		"or lies outside the packa": func(b []byte) { b[23] = 0xff },
	} {
		c := bytes.Clone(b)
		change(c)
		if _, err := ParsePartitionPackage(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
	if _, err := ParsePartitionPackage(b[:23]); err == nil {
		t.Error("a header of 23 bytes is accepted")
	}
}

func FuzzPartitionManifest(f *testing.F) {
	f.Add(blob(f, partition()))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParsePartitionManifest(b)
		if err == nil && (len(m.Services) == 0 || m.Contexts < 1) {
			t.Errorf("accepted %+v", m)
		}
		if p, err := ParsePartitionPackage(b); err == nil && len(p.Image) > len(b) {
			t.Error("an image larger than its package")
		}
	})
}
