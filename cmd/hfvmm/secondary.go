package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/vmm"
)

// What a secondary gets when its flag does not say.
const (
	defaultSecondaryVCPUs  = 1
	defaultSecondaryMemory = 1 << 20
)

// secondaries is the value of the repeatable flag --secondary.
type secondaries []vmm.Secondary

func (s *secondaries) Type() string { return "IMAGE[,key=value]..." }

func (s *secondaries) String() string { return "" }

// Set adds one secondary: a list of key=value pairs in which the key of the first, image, may be
// left out. A value that holds a comma is put in quotes.
func (s *secondaries) Set(text string) error {
	pairs, err := splitPairs(text)
	if err != nil {
		return err
	}
	sec := vmm.Secondary{VCPUs: defaultSecondaryVCPUs, Memory: defaultSecondaryMemory}
	seen := map[string]bool{}
	for i, p := range pairs {
		if p.key == "" && i == 0 {
			p.key = "image"
		}
		if seen[p.key] {
			return fmt.Errorf("%s is given twice; say it once", p.key)
		}
		seen[p.key] = true
		if p.value == "" {
			return fmt.Errorf("%q has no value; write it as IMAGE[,name=NAME] and further KEY=VALUE pairs", p.key)
		}
		switch p.key {
		case "image":
			sec.Image = p.value
		case "gic":
			if p.value != gicV3 {
				err = fmt.Errorf("%q is no interrupt controller that there is; give %s", p.value, gicV3)
			}
			sec.GIC = true
		case "initrd":
			sec.Initrd = p.value
		case "cmdline":
			sec.Cmdline = p.value
		case "name":
			sec.Name = p.value
		case "vcpus":
			sec.VCPUs, err = parseVCPUs(p.value)
		case "mem":
			sec.Memory, err = parseMemory(p.value)
		case "manifest":
			sec.ManifestFile = p.value
		case "role":
			sec.Secure, err = parseRole(p.value)
		case "notify":
			sec.Notify, err = parseNotify(p.value)
		case "uuid":
			sec.UUIDs, err = parseUUIDs(p.value)
		default:
			return fmt.Errorf("%q is not a key; the keys are image, name, vcpus, mem, uuid, manifest, role, notify, gic, initrd and cmdline", p.key)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.key, err)
		}
	}
	if sec.Image == "" {
		return fmt.Errorf("there is no image; begin with the path of a flat binary")
	}
	if !sec.GIC && (sec.Initrd != "" || sec.Cmdline != "") {
		return fmt.Errorf("initrd and cmdline are for a kernel; add gic=%s, with which the image is booted as one", gicV3)
	}
	if sec.Name == "" {
		sec.Name = s.freeName(sec.Image)
	}
	for _, other := range *s {
		if other.Name == sec.Name {
			return fmt.Errorf("name %q is taken by another secondary; choose another one", sec.Name)
		}
	}
	*s = append(*s, sec)
	return nil
}

// freeName is the file's name without its extension, with the VM's number where that is taken.
func (s *secondaries) freeName(image string) string {
	name := filepath.Base(image)
	if short := strings.TrimSuffix(name, filepath.Ext(name)); short != "" {
		name = short
	}
	for _, other := range *s {
		if other.Name == name {
			return fmt.Sprintf("%s-%d", name, len(*s)+1)
		}
	}
	return name
}

type pair struct{ key, value string }

// splitPairs splits `[key=]value,…`. Inside '…' and "…" every byte stands for itself.
func splitPairs(text string) ([]pair, error) {
	var (
		pairs   []pair
		p       pair
		b       strings.Builder
		quote   byte
		has     bool // this pair's key has been seen
		addPair = func() {
			p.value = b.String()
			pairs = append(pairs, p)
			p, has = pair{}, false
			b.Reset()
		}
	)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote = c
		case c == '=' && !has:
			p.key, has = b.String(), true
			b.Reset()
		case c == ',':
			addPair()
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is left open; close it", quote)
	}
	addPair()
	for i, p := range pairs {
		if p.key == "" && i > 0 {
			return nil, fmt.Errorf("%q has no key; after the image come key=value pairs", p.value)
		}
	}
	return pairs, nil
}

// gicV3 is the interrupt controller that a secondary can have.
const gicV3 = "v3"

// formatSecondary is the flag value that describes s, whose files have other names here.
func formatSecondary(s vmm.Secondary, image, initrd, manifest string) string {
	text := fmt.Sprintf("image=%s,name=%s,vcpus=%d,mem=%d", quote(image), quote(s.Name), s.VCPUs, s.Memory)
	if s.GIC {
		text += ",gic=" + gicV3
		if s.Initrd != "" {
			text += ",initrd=" + quote(initrd)
		}
		if s.Cmdline != "" {
			text += ",cmdline=" + quote(s.Cmdline)
		}
	}
	if len(s.UUIDs) > 0 {
		text += ",uuid=" + formatUUIDs(s.UUIDs)
	}
	if s.ManifestFile != "" {
		text += ",manifest=" + quote(manifest)
	}
	if s.Secure {
		text += ",role=" + roleSP
	}
	if s.Notify != vmm.NotifyAsUsual {
		text += ",notify=" + s.Notify.String()
	}
	return text
}

// The roles of a secondary under FF-A.
const (
	roleVM = "vm"
	roleSP = "sp"
)

func parseRole(text string) (secure bool, err error) {
	if text != roleVM && text != roleSP {
		return false, fmt.Errorf("%q is not known; give %s or %s", text, roleVM, roleSP)
	}
	return text == roleSP, nil
}

func parseNotify(text string) (vmm.Notify, error) {
	for _, n := range vmm.Notifies[1:] {
		if n.String() == text {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%q is not known; give %s", text, strings.Join(words(vmm.Notifies[1:]), " or "))
}

// uuidSeparator stands between the UUIDs of a partition's services.
const uuidSeparator = "+"

func parseUUIDs(text string) (all []wire.UUID, err error) {
	for s := range strings.SplitSeq(text, uuidSeparator) {
		u, err := wire.ParseUUID(s)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

func formatUUIDs(all []wire.UUID) string { return strings.Join(words(all), uuidSeparator) }

// quote makes text one value of a list of pairs.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'"'"'`) + "'" }

// parseVCPUs reads a number of vCPUs. How many there may be is for the machine to say.
func parseVCPUs(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a number of vCPUs; give 1 or more", text)
	}
	return n, nil
}
