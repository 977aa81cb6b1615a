// Package script runs golden scripts: text files of commands, each with the output that
// it is expected to have. They suit tests in which the transcript is the specification,
// such as a login or the order in which an engine completes tasks.
//
// A script is a list of blocks. A block is a command line, any number of input lines, a
// line of four dashes, and the expected output up to the next blank line:
//
//	# A comment between blocks.
//	login cid=1 stage=operational transit
//	InitiatorName=iqn.2026-11.com.example:a
//	SessionType=Discovery
//	----
//	status=Success
//
// Output that has blank lines itself stands between doubled lines of dashes:
//
//	dump
//	----
//	----
//	first
//
//	second
//	----
//	----
//
// The command line is a name and arguments, apart by blanks. An argument is a word or
// key=value; a value in double quotes is a Go string and may contain blanks. A test asks
// for arguments with [Cmd.Flag], [Cmd.Str], [Cmd.Int] and [Cmd.Words]; one that nobody
// asked for fails the test, so that a misspelt argument cannot pass unnoticed.
//
// A test gives the commands their meaning, with whatever state it keeps between them:
//
//	func TestCounter(t *testing.T) {
//		script.RunDir(t, "testdata", func(t *testing.T) script.Func {
//			n := 0
//			return func(c *script.Cmd) string {
//				switch c.Name {
//				case "add":
//					n += c.Int("n", 1)
//				default:
//					c.Fatalf("unknown command")
//				}
//				return fmt.Sprintln(n)
//			}
//		})
//	}
//
// Run such a test with the flag -rewrite, go test ./pkg -args -rewrite, to write what the
// commands return into the files, then read the difference before it is committed: a
// rewritten script is only as right as its reader.
//
// Tests import this package; nothing else does. It uses the standard library only.
package script
