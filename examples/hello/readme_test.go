package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// text is a file of the root directory.
func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(b)
}

// TestProgramIsShown wants this program, as it is, in the README and in the package
// documentation.
func TestProgramIsShown(t *testing.T) {
	program, err := os.ReadFile("main.go")
	require.NoError(t, err)
	require.Contains(t, text(t, "README.md"), "```go\n"+string(program)+"```\n")
	lines := strings.Split(strings.TrimSuffix(string(program), "\n"), "\n")
	for i, l := range lines {
		if lines[i] = "//"; l != "" {
			lines[i] = "//\t" + l
		}
	}
	require.Contains(t, text(t, "doc.go"), strings.Join(lines, "\n"))
}

var (
	proof = regexp.MustCompile("`([a-z0-9/]+) (Test[A-Za-z0-9_]+)`")
	link  = regexp.MustCompile(`\]\(([^)#:]+)\)`)
)

// TestProofsExist wants a test for each row of the README's table, and each test that it
// names to exist.
func TestProofsExist(t *testing.T) {
	_, section, ok := strings.Cut(text(t, "README.md"), "\n## What works\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	rows := 0
	for _, line := range strings.Split(section, "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| |") || strings.HasPrefix(line, "| **") {
			continue
		}
		rows++
		proofs := proof.FindAllStringSubmatch(line, -1)
		require.NotEmpty(t, proofs, line)
		for _, p := range proofs {
			require.Contains(t, tests(t, p[1]), p[2], line)
		}
	}
	require.Greater(t, rows, 20)
}

// tests are the names of the tests of a package.
func tests(t *testing.T, pkg string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	require.NoError(t, err)
	names := make(map[string]bool)
	for _, f := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), f, nil, 0)
		require.NoError(t, err)
		for _, d := range tree.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// TestLinksLeadSomewhere wants the files that the README links to.
func TestLinksLeadSomewhere(t *testing.T) {
	links := link.FindAllStringSubmatch(text(t, "README.md"), -1)
	require.NotEmpty(t, links)
	for _, l := range links {
		_, err := os.Stat(filepath.Join(root, l[1]))
		require.NoError(t, err)
	}
}

// TestPackagesAreListed wants every public package on the map, in the documentation and
// in the README.
func TestPackagesAreListed(t *testing.T) {
	readme, doc := text(t, "README.md"), text(t, "doc.go")
	var list []string
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "internal" || d.Name() == "examples" || len(d.Name()) > 2 && d.Name()[0] == '.') {
			return fs.SkipDir
		}
		if d.Name() == "doc.go" && filepath.Dir(path) != filepath.Clean(root) {
			rel, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			list = append(list, filepath.ToSlash(rel))
		}
		return nil
	}))
	require.Contains(t, list, "scsi/engine")
	for _, p := range list {
		require.Regexp(t, `(?m)^//   - .*\b`+regexp.QuoteMeta(p)+`[:,]`, doc)
		require.Contains(t, readme, "("+p+")")
	}
}
