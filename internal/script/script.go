package script

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// rewrite makes every script's output what the commands return now.
var rewrite = flag.Bool("rewrite", false, "rewrite the expected output of golden scripts")

// Func runs one command and returns its output. A missing last newline is added.
type Func func(c *Cmd) string

// Cmd is a command of a script.
type Cmd struct {
	Name  string
	Input string // the lines between the command and the dashes

	tb   testing.TB
	file string
	b    *block
}

// RunDir runs every file *.txt in dir as a subtest named after it. start is called for
// each and returns the meaning of the commands, with a fresh state. A directory without
// scripts fails the test.
func RunDir(t *testing.T, dir string, start func(t *testing.T) Func) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("script: no *.txt in %s", dir)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			Run(t, f, start(t))
		})
	}
}

// Run runs the commands of a file in order. Output that is not as expected is an error
// of the test, and the script goes on.
func Run(tb testing.TB, file string, fn Func) {
	tb.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	out := run(tb, file, string(text), fn)
	if *rewrite && !tb.Failed() && out != string(text) {
		if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}

// run runs the script text and returns it with the output it has now.
func run(tb testing.TB, file, text string, fn Func) string {
	tb.Helper()
	blocks, tail, err := parse(text)
	if err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
	if len(blocks) == 0 {
		tb.Fatalf("%s: no commands", file)
	}
	var out strings.Builder
	for _, b := range blocks {
		c := &Cmd{Name: b.name, Input: b.input, tb: tb, file: file, b: b}
		got := endLine(fn(c))
		for _, a := range b.args {
			if !a.used {
				c.Errorf("unknown argument %q", a.key)
			}
		}
		if hasSeparator(got) {
			c.Fatalf("the output has a line of four dashes, which a script cannot hold:\n%s", got)
		}
		if got != b.want && !*rewrite {
			c.Errorf("%s", difference(b.want, got))
		}
		out.WriteString(b.format(got))
	}
	out.WriteString(tail)
	return out.String()
}

// Pos returns the place of the command as file:line.
func (c *Cmd) Pos() string { return fmt.Sprintf("%s:%d", c.file, c.b.line) }

// Errorf reports an error of the test at the command.
func (c *Cmd) Errorf(format string, args ...any) {
	c.tb.Helper()
	c.tb.Errorf("%s: %s: %s", c.Pos(), c.Name, fmt.Sprintf(format, args...))
}

// Fatalf reports an error of the test at the command and ends the test.
func (c *Cmd) Fatalf(format string, args ...any) {
	c.tb.Helper()
	c.tb.Fatalf("%s: %s: %s", c.Pos(), c.Name, fmt.Sprintf(format, args...))
}

// Flag reports whether the word is among the arguments.
func (c *Cmd) Flag(word string) bool {
	for i := range c.b.args {
		if a := &c.b.args[i]; !a.isPair && a.key == word {
			a.used = true
			return true
		}
	}
	return false
}

// Words returns all arguments that are words, for commands that take a list of them.
func (c *Cmd) Words() []string {
	var w []string
	for i := range c.b.args {
		if a := &c.b.args[i]; !a.isPair {
			a.used = true
			w = append(w, a.key)
		}
	}
	return w
}

// Has reports whether there is an argument key=value.
func (c *Cmd) Has(key string) bool { return c.pair(key) != nil }

// Str returns the value of the argument key=value, or def if there is none.
func (c *Cmd) Str(key, def string) string {
	if a := c.pair(key); a != nil {
		return a.value
	}
	return def
}

// Int returns the value of the argument key=value as a number in Go's notation (0x for
// hexadecimal), or def if there is none. Anything else ends the test.
func (c *Cmd) Int(key string, def int) int {
	a := c.pair(key)
	if a == nil {
		return def
	}
	n, err := strconv.ParseInt(a.value, 0, strconv.IntSize)
	if err != nil {
		c.Fatalf("argument %s: %v", key, err)
	}
	return int(n)
}

func (c *Cmd) pair(key string) *arg {
	for i := range c.b.args {
		if a := &c.b.args[i]; a.isPair && a.key == key {
			a.used = true
			return a
		}
	}
	return nil
}

// difference shows both outputs and marks the first line that differs.
func difference(want, got string) string {
	w, g := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	first := 0
	for first < len(w) && first < len(g) && w[first] == g[first] {
		first++
	}
	var s strings.Builder
	show := func(title string, lines []string) {
		s.WriteString("\n" + title + ":\n")
		for i, l := range lines {
			if i == first {
				s.WriteString("> " + l)
			} else if l != "" {
				s.WriteString("  " + l)
			}
		}
	}
	show("expected", w)
	show("got", g)
	return s.String()
}
