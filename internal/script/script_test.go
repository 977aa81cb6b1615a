package script

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// calculator is a machine for scripts: it adds up, and lists what it was told.
func calculator(*testing.T) Func {
	sum := 0
	return func(c *Cmd) string {
		switch c.Name {
		case "add":
			sum += c.Int("n", 1)
			if c.Flag("twice") {
				sum += c.Int("n", 1)
			}
			return fmt.Sprint(sum)
		case "words":
			return strings.Join(c.Words(), "\n")
		case "say":
			return c.Str("text", "nothing")
		case "upper":
			return strings.ToUpper(c.Input)
		case "silence":
			return ""
		}
		c.Fatalf("unknown command")
		return ""
	}
}

func TestRunDir(t *testing.T) { RunDir(t, "testdata", calculator) }

// recorder stands in for a failing test.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r)
}

// try runs a script and returns its new text and its errors.
func try(text string) (out string, errors []string) {
	r := &recorder{}
	defer func() {
		errors = r.errors
		if e := recover(); e != nil && e != r {
			panic(e)
		}
	}()
	return run(r, "f", text, calculator(nil)), r.errors
}

func TestFailures(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"wrong output", "add n=2\n----\n3\n", "f:1: add: \nexpected:\n> 3\n\ngot:\n> 2\n"},
		{"missing output", "add\n----\n", "expected:\n> \ngot:\n> 1"},
		{"unwanted output", "silence\n----\nnoise\n", "expected:\n> noise"},
		{"unknown argument", "# c\n\nadd m=2\n----\n1\n", `f:3: add: unknown argument "m"`},
		{"unknown word", "add thrice\n----\n1\n", `unknown argument "thrice"`},
		{"not a number", "add n=x\n----\n1\n", "argument n"},
		{"unknown command", "sub\n----\n1\n", "f:1: sub: unknown command"},
		{"no dashes", "add\n1\n", "f: line 1: no line of dashes"},
		{"open output", "add\n----\n----\n1\n", "no doubled line of dashes"},
		{"open output ends in one line of dashes", "add\n----\n----\n1\n----\n", "no doubled line of dashes"},
		{"one line of dashes in long output", "add\n----\n----\n1\n----\n2\n----\n----\n", "no doubled line of dashes"},
		{"no blank line", "add\n----\n1\nadd\n----\n2\n", "a line of dashes in the output"},
		{"dashes as output", "say text=\"----\"\n----\n", "a line of four dashes"},
		{"open quote", "say text=\"a\n----\n", "argument text"},
		{"no name", "n=1\n----\n", "starts with a name"},
		{"empty", "# nothing\n", "no commands"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, errs := try(tc.text)
			if len(errs) != 1 || !strings.Contains(errs[0], tc.want) {
				t.Errorf("got errors %q, want one with %q", errs, tc.want)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"comments stay", "# a\n\nadd\n----\n1\n\n# b\nadd\n----\n2\n\n# end\n", ""},
		{"no last newline", "add\n----\n1", "add\n----\n1\n"},
		{"wrong output is replaced", "add\n----\n7\n8\n\nadd\n----\n", "add\n----\n1\n\nadd\n----\n2\n"},
		{"no output", "silence\n----\n\nadd\n----\n1\n", ""},
		{"blank line in output", "upper\na\n\nb\n----\n", "upper\na\n\nb\n----\n----\nA\n\nB\n----\n----\n"},
		{"doubled stays", "upper\n\n----\n----\n\n----\n----\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := tc.want
			if want == "" {
				want = tc.in
			}
			got, _ := try(tc.in)
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if again, errs := try(got); again != got || len(errs) != 0 {
				t.Errorf("not stable: %q, %q", again, errs)
			}
		})
	}
}

func TestRewrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(file, []byte("add\n----\n9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	defer func(old bool) { *rewrite = old }(*rewrite)
	*rewrite = true
	Run(t, file, calculator(t))
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != "add\n----\n1\n" {
		t.Errorf("got %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("# c\nadd n=1 \"x\" a=\"b c\"\nin\n----\nout\n\nb\n----\n----\n\n----\n----\n")
	f.Add("a\n----")
	f.Fuzz(func(t *testing.T, text string) {
		blocks, tail, err := parse(text)
		if err != nil {
			return
		}
		var out strings.Builder
		for _, b := range blocks {
			out.WriteString(b.format(b.want))
		}
		out.WriteString(tail)
		again, _, err := parse(out.String())
		if err != nil || len(again) != len(blocks) {
			t.Fatalf("%q became %q: %v", text, out.String(), err)
		}
	})
}

func Example() {
	r := &recorder{}
	run(r, "sums.txt", "add n=2\n----\n2\n\nadd n=3\n----\n6\n", calculator(nil))
	place, _, _ := strings.Cut(r.errors[0], "\n")
	fmt.Println(len(r.errors), "error at", place)
	// Output: 1 error at sums.txt:5: add:
}
