package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// staticcheck is run in this version from the module cache; it is no requirement of go.mod.
const staticcheck = "honnef.co/go/tools/cmd/staticcheck@v0.8.2"

// staticcheckMatrix lists the builds that are looked at together: what only one of them uses is
// used. A line is NAME: VARIABLES FLAGS.
const staticcheckMatrix = `release:
debug: -tags=scsidebug
windows: GOOS=windows CGO_ENABLED=0
`

// platforms are those that the module must compile for, beside the one it is checked on.
var platforms = []string{
	"linux/386", "linux/arm64", "darwin/arm64", "windows/amd64", "freebsd/amd64",
}

// steps returns every step. What finds most in the least time comes first.
func steps() []step {
	return []step{
		{"format", "gofmt has nothing to change", (*checker).format},
		{"vet", "go vet, also with the debug tag", (*checker).vet},
		{"lint", "architecture rules: imports, dependencies, file sizes, comments", (*checker).lint},
		{"generate", "go generate leaves no difference", (*checker).generate},
		{"staticcheck", "staticcheck in its pinned version", (*checker).staticcheck},
		{"test", "all tests, real initiators included", (*checker).test},
		{"single", "tests with GOMAXPROCS=1", (*checker).single},
		{"race", "tests under the race detector", (*checker).race},
		{"debug", "tests with -tags scsidebug under the race detector", (*checker).debug},
		{"peers", "real initiators against a target with race detector and debug tag", (*checker).peers},
		{"fuzz", "every fuzz target for a short time", (*checker).fuzz},
		{"cross", "go vet for the other platforms", (*checker).cross},
	}
}

func (c *checker) format(ctx context.Context) error {
	out, err := c.output(ctx, "git", "ls-files", "--cached", "--others", "--exclude-standard", "*.go")
	if err != nil {
		return err
	}
	var files []string
	for _, name := range lines(out) {
		if _, err := os.Stat(filepath.Join(c.root, name)); err == nil { // else removed, not committed
			files = append(files, name)
		}
	}
	if len(files) == 0 {
		return errors.New("git knows no Go files")
	}
	goroot, err := c.output(ctx, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	gofmt := filepath.Join(strings.TrimSpace(goroot), "bin", "gofmt") // of the toolchain in use, if it is there
	if _, err := os.Stat(gofmt); err != nil {
		gofmt = "gofmt"
	}
	out, err = c.output(ctx, gofmt, append([]string{"-l"}, files...)...)
	if err != nil {
		return err
	}
	if out != "" {
		return fmt.Errorf("not formatted:\n%s", out)
	}
	return nil
}

func (c *checker) vet(ctx context.Context) error {
	return errors.Join(
		c.run(ctx, nil, "go", "vet", "./..."),
		c.run(ctx, nil, "go", "vet", "-tags", "scsidebug", "./..."),
	)
}

func (c *checker) lint(ctx context.Context) error { return c.goTest(ctx, nil, "./internal/lint") }

func (c *checker) staticcheck(ctx context.Context) error {
	return c.tee(ctx, c.out, strings.NewReader(staticcheckMatrix), nil, "go", "run", staticcheck, "-matrix", "./...")
}

func (c *checker) test(ctx context.Context) error { return c.goTest(ctx, nil, "./...") }

// single says -count=1, for the go command does not know that the variable changes what a test does
// and would show the result of the step test again; and -p, which the variable would lower too.
func (c *checker) single(ctx context.Context) error {
	packages, err := c.codePackages(ctx)
	if err != nil {
		return err
	}
	flags := []string{"-count=1", "-p", strconv.Itoa(runtime.NumCPU())}
	return c.goTest(ctx, []string{"GOMAXPROCS=1"}, append(flags, packages...)...)
}

func (c *checker) race(ctx context.Context) error {
	packages, err := c.codePackages(ctx)
	if err != nil {
		return err
	}
	return c.goTest(ctx, nil, append([]string{"-race"}, packages...)...)
}

func (c *checker) debug(ctx context.Context) error {
	packages, err := c.codePackages(ctx)
	if err != nil {
		return err
	}
	return c.goTest(ctx, nil, append([]string{"-race", "-tags", "scsidebug"}, packages...)...)
}

// peers leaves the virtual machine out: emulation and race detector together take minutes, and
// the other initiators reach more of the target.
func (c *checker) peers(ctx context.Context) error {
	return c.goTest(ctx, nil, "-race", "-tags", "scsidebug", "-run", "^Test(Libiscsi|Qemu)", "./internal/peers/...")
}

func (c *checker) cross(ctx context.Context) error {
	var errs []error
	for _, p := range platforms {
		goos, goarch, _ := strings.Cut(p, "/")
		env := []string{"GOOS=" + goos, "GOARCH=" + goarch, "CGO_ENABLED=0"}
		if err := c.run(ctx, env, "go", "vet", "./..."); err != nil {
			errs = append(errs, err)
			if !c.keepGoing {
				break
			}
		}
	}
	return errors.Join(errs...)
}

// goTest runs go test with the flags that all such steps share.
func (c *checker) goTest(ctx context.Context, env []string, args ...string) error {
	flags := []string{"test", "-timeout", c.testTimeout.String()}
	if c.fresh {
		flags = append(flags, "-count=1")
	}
	return c.run(ctx, env, "go", append(flags, args...)...)
}

// codePackages lists the packages whose tests run the code of the module: all but those that
// look at the source and those that run other programs, which have steps of their own.
func (c *checker) codePackages(ctx context.Context) ([]string, error) {
	out, err := c.output(ctx, "go", "list", "-f", "{{.Dir}}", "./...")
	if err != nil {
		return nil, err
	}
	var packages []string
	for _, dir := range lines(out) {
		rel, err := filepath.Rel(c.root, dir)
		if err != nil {
			return nil, err
		}
		rel = filepath.ToSlash(rel)
		if rel == "internal/lint" || rel == "internal/dev" || rel == "internal/peers" || strings.HasPrefix(rel, "internal/peers/") {
			continue
		}
		packages = append(packages, "./"+rel)
	}
	return packages, nil
}
