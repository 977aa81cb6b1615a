package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// generate runs go generate and compares the generated files before and after. What it changes
// stays, for it is what belongs into the commit.
func (c *checker) generate(ctx context.Context) error {
	before, err := generatedFiles(c.root)
	if err != nil {
		return err
	}
	if err := c.run(ctx, nil, "go", "generate", "./..."); err != nil {
		return err
	}
	after, err := generatedFiles(c.root)
	if err != nil {
		return err
	}
	if changed := difference(before, after); len(changed) > 0 {
		return fmt.Errorf("go generate changes %s", strings.Join(changed, ", "))
	}
	return nil
}

// generatedFiles returns the sums of the files named z*.go below root.
func generatedFiles(root string) (map[string][sha256.Size]byte, error) {
	sums := make(map[string][sha256.Size]byte)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // went away while the tree was read
		}
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if name != root && strings.HasPrefix(base, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasPrefix(base, "z") || filepath.Ext(base) != ".go" {
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		sums[filepath.ToSlash(rel)] = sha256.Sum256(data)
		return err
	})
	return sums, err
}

// difference returns the names whose sums differ or that only one of the two has, sorted.
func difference(a, b map[string][sha256.Size]byte) []string {
	var names []string
	for name, sum := range a {
		if other, ok := b[name]; !ok || other != sum {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}
