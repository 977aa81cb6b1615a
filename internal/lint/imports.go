package lint

import (
	"fmt"
	"slices"
	"strings"
)

// The modules beyond the standard library, as go.mod requires them.
const (
	moduleSys     = "golang.org/x/sys"
	moduleZap     = "go.uber.org/zap"
	moduleTestify = "github.com/stretchr/testify"
	moduleCmp     = "github.com/google/go-cmp"
)

// require and cmp are all that is used of the two test modules.
var testModulePackages = []string{
	moduleTestify + "/require", moduleCmp + "/cmp", moduleCmp + "/cmp/cmpopts",
}

// within reports whether the package imp belongs to the module.
func within(imp, module string) bool {
	return imp == module || strings.HasPrefix(imp, module+"/")
}

// eachImport calls f for every import of every file.
func (r *Repo) eachImport(f func(p *Package, file *File, imp, pos string)) {
	for _, p := range r.Packages {
		for _, file := range p.Files {
			for i, imp := range file.Imports() {
				f(p, file, imp, file.at(file.AST.Imports[i]))
			}
		}
	}
}

func checkLayers(r *Repo, rep *Reporter) {
	for _, p := range r.Packages {
		if layerOf(p) == nil {
			rep.Report(p.Path, "the package has no row in the table of layers (internal/lint/layers.go)")
		}
	}
	r.eachImport(func(p *Package, file *File, imp, pos string) {
		row := layerOf(p)
		if row == nil || !within(imp, r.Module) {
			return
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(imp, r.Module), "/")
		if rel == "" {
			rel = "."
		}
		allowed := slices.Concat(row.imports, commonImports, []string{p.Path})
		if file.Test || p.TestHelper() {
			allowed = slices.Concat(allowed, testImports)
		}
		if file.External {
			allowed = slices.Concat(allowed, []string{
				"scsi/...", "fabric/...", "backstore/...", "sgv", "alua", "internal/...",
			})
		}
		if !matchAny(rel, allowed) {
			rep.Report(pos, fmt.Sprintf("%s may not import %s", p.Path, rel))
		}
	})
}

func layerOf(p *Package) *layer {
	for i := range layers {
		if p.Is(layers[i].pattern) {
			return &layers[i]
		}
	}
	return nil
}

func checkModules(r *Repo, rep *Reporter) {
	r.eachImport(func(p *Package, file *File, imp, pos string) {
		first, _, _ := strings.Cut(imp, "/")
		if within(imp, r.Module) || !strings.Contains(first, ".") {
			return
		}
		switch {
		case within(imp, moduleZap):
			if !p.Is(zapImporters...) {
				rep.Report(pos, "zap belongs to the engine and the transports")
			}
		case within(imp, moduleSys):
			if !p.Is(sysImporters...) {
				rep.Report(pos, "x/sys belongs to the packages that make system calls of their own")
			}
		case slices.Contains(testModulePackages, imp):
			if !file.Test && !p.TestHelper() && !p.Is(testModuleImporters...) {
				rep.Report(pos, "test modules are for tests and test helpers")
			}
		case within(imp, moduleTestify), within(imp, moduleCmp):
			rep.Report(pos, "of the test modules only require, cmp and cmpopts are used, not "+imp)
		default:
			rep.Report(pos, imp+" is of none of the four modules")
		}
	})
}

func checkStd(r *Repo, rep *Reporter) {
	r.eachImport(func(p *Package, file *File, imp, pos string) {
		if imp == "C" {
			rep.Report(pos, "there is no cgo in this module")
		}
		tool := p.Is("internal/...") && !p.Is(fastPath...)
		if file.Test || p.TestHelper() || p.Is(programs...) || p.Is("internal/lint", "internal/peers/...") {
			return
		}
		switch imp {
		case "log", "log/slog":
			rep.Report(pos, "the engine and the transports log through zap, others return values")
		case "expvar", "flag", "net/http":
			rep.Report(pos, imp+" has global state; exporters and flags belong to the application")
		case "testing":
			rep.Report(pos, "testing would come with every program that imports the package")
		case "encoding/json", "encoding/gob", "reflect", "regexp", "text/template":
			if p.Is(fastPath...) && !r.Known.Imports.has(file.Path+":"+imp) {
				rep.Report(pos, imp+" has no place on the path of a command")
			}
		case "os/exec":
			if !tool {
				rep.Report(pos, "a library runs no programs")
			}
		}
	})
}

func checkUnsafe(r *Repo, rep *Reporter) {
	r.eachImport(func(_ *Package, file *File, imp, pos string) {
		if imp == "unsafe" && !r.Known.Unsafe.has(file.Path) {
			rep.Report(pos, "unsafe outside the listed files (internal/lint/exceptions.go)")
		}
	})
}

func checkRequires(r *Repo, rep *Reporter) {
	want := []string{moduleCmp, moduleTestify, moduleZap, moduleSys}
	for _, m := range r.Requires {
		if !slices.Contains(want, m) {
			rep.Report("go.mod", m+" is a fifth requirement; what needs it goes into a nested module")
		}
	}
	for _, m := range want {
		if !slices.Contains(r.Requires, m) {
			rep.Report("go.mod", "the requirement of "+m+" is missing")
		}
	}
}
