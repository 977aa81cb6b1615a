package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"regexp"
	"slices"
)

// readmeProgram is the program that README.md prints in full.
const readmeProgram = "examples/hello/main.go"

// readmeProof is a test that a row of a table names: its package and its name.
var readmeProof = regexp.MustCompile("`([a-z0-9/]+) (Test\\w+)`")

// checkReadme holds README.md to its promises: the tests that it names exist, and its program is the
// one that is tested.
func checkReadme(r *Repo, rep *Reporter) {
	i := slices.IndexFunc(r.Tree, func(f TreeFile) bool { return f.Path == "README.md" })
	if i < 0 {
		return
	}
	readme := r.Tree[i].Data
	for n, line := range bytes.Split(readme, []byte("\n")) {
		if !bytes.HasPrefix(line, []byte("|")) {
			continue
		}
		for _, m := range readmeProof.FindAllSubmatch(line, -1) {
			if dir, name := string(m[1]), string(m[2]); !r.hasTest(dir, name) {
				rep.Report(fmt.Sprintf("README.md:%d", n+1), fmt.Sprintf("%s has no %s", dir, name))
			}
		}
	}
	i = slices.IndexFunc(r.Tree, func(f TreeFile) bool { return f.Path == readmeProgram })
	if i >= 0 && !bytes.Contains(readme, slices.Concat([]byte("```go\n"), r.Tree[i].Data, []byte("```\n"))) {
		rep.Report("README.md", "its program is not "+readmeProgram)
	}
}

// hasTest reports whether the package in the directory has a test function of that name.
func (r *Repo) hasTest(dir, name string) bool {
	for _, p := range r.Packages {
		if p.Path != dir {
			continue
		}
		for _, f := range p.Files {
			for _, d := range f.AST.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && f.Test && fn.Recv == nil && fn.Name.Name == name {
					return true
				}
			}
		}
	}
	return false
}
