package debian

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Cache is a folder of unpacked sets, which processes may share.
type Cache struct {
	dir string
	// Progress, if not nil, is told in a few words what goes on while a set is fetched.
	Progress func(string)
}

// Open returns the user's cache: $HFVMM_CACHE, or the folder hfvmm in $XDG_CACHE_HOME or ~/.cache.
// Nothing is made there before a set is fetched.
func Open() (*Cache, error) {
	dir := os.Getenv("HFVMM_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("no folder for the cache, set HFVMM_CACHE to one: %w", err)
		}
		dir = filepath.Join(base, "hfvmm")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return &Cache{dir: dir}, nil
}

// Has returns the folder of a set and whether it is there.
func (c *Cache) Has(s *Set) (root string, ok bool) {
	root = filepath.Join(c.dir, s.folder())
	_, err := os.Stat(root)
	return root, err == nil
}

// Install returns the folder of a set, which is fetched first if it is not there. It is whole
// or absent at any time; processes that want it together wait for one another.
func (c *Cache) Install(ctx context.Context, s *Set) (string, error) {
	root, ok := c.Has(s)
	if ok {
		return root, nil
	}
	if err := c.install(ctx, s, root); err != nil {
		return "", fmt.Errorf("fetch %s from Debian into %s: %w", s.Name, c.dir, err)
	}
	return root, nil
}

func (c *Cache) install(ctx context.Context, s *Set, root string) error {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	held, err := lock(ctx, filepath.Join(c.dir, "lock"), func() { c.tell("waiting for another process that fetches packages") })
	if err != nil {
		return err
	}
	defer held.Close()
	if _, ok := c.Has(s); ok {
		return nil
	}
	// Whatever has this prefix while the lock is held was left by a process that died.
	const prefix = ".new-"
	stale, err := filepath.Glob(filepath.Join(c.dir, prefix+"*"))
	if err != nil {
		return err
	}
	for _, d := range stale {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
	}
	work, err := os.MkdirTemp(c.dir, prefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	a, err := newAPT(filepath.Join(c.dir, "apt-"+strings.Join(s.Suites, "+")), s.Suites, held)
	if err != nil {
		return err
	}
	c.tell("reading the lists of Debian " + strings.Join(s.Suites, " and "))
	if _, err := a.run(ctx, work, "apt-get", "update", "-qq", "--error-on=any"); err != nil {
		return err
	}
	packages, err := a.resolve(ctx, s)
	if err != nil {
		return err
	}
	c.tell(fmt.Sprintf("fetching %s: %d packages", s.Name, len(packages)))
	debs := filepath.Join(work, "debs")
	if err := os.Mkdir(debs, 0o755); err != nil {
		return err
	}
	files, err := a.download(ctx, debs, packages)
	if err != nil {
		return err
	}
	c.tell("unpacking " + s.Name)
	return unpackAll(ctx, s, files, filepath.Join(work, "root"), root)
}

// unpackAll unpacks .deb files into the new folder fresh, which then becomes home.
func unpackAll(ctx context.Context, s *Set, debs []string, fresh, home string) error {
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(fresh)
	if err != nil {
		return err
	}
	defer root.Close()
	u := &unpacker{set: s, root: root, libs: map[string]string{}}
	for _, deb := range debs {
		if err := u.unpack(ctx, deb); err != nil {
			return err
		}
	}
	if err := u.finish(home); err != nil {
		return err
	}
	unix.Sync() // home is a whole folder even if the machine loses power now
	return os.Rename(fresh, home)
}

func (c *Cache) tell(what string) {
	if c.Progress != nil {
		c.Progress(what)
	}
}
