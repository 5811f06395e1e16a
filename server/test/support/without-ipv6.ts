// Programs under a kernel that has no IPv6: it refuses sockets of that family, as with ipv6.disable=1, or as systemd's
// RestrictAddressFamilies has it done. By a filter of the kernel's own (seccomp), set by perl, which every Debian has.
import { spawnSync } from 'node:child_process'
import { arch } from 'node:process'

/** Numbers of prctl and socket: <asm/unistd.h>. */
const CALLS: Readonly<Record<string, readonly [prctl: number, socket: number]>> = {
  x64: [157, 41],
  arm64: [167, 198],
}
const [PRCTL, SOCKET] = CALLS[arch] ?? [0, 0]

/** <linux/filter.h>: loads the call's number and its first argument, and answers socket(AF_INET6) with EAFNOSUPPORT. */
const FILTER = `
my ($load, $equal, $answer) = (0x20, 0x15, 0x06);
my @lines = ([$load, 0, 0, 0], [$equal, 0, 3, ${SOCKET}], [$load, 0, 0, 16], [$equal, 0, 1, 10], [$answer, 0, 0, 0x00050000 | 97], [$answer, 0, 0, 0x7fff0000]);
my $filter = join '', map { pack 'S C C L', @$_ } @lines;
my $program = pack 'S x6 P', scalar(@lines), $filter;
syscall(${PRCTL}, 38, 1, 0, 0, 0) == 0 and syscall(${PRCTL}, 22, 2, $program) == 0 or die "no filter: $!";
exec @ARGV or die;
`

/** Stands before a command. */
export const WITHOUT_IPV6: readonly string[] = ['perl', '-e', FILTER, '--']

const PROBE = `require('net').createServer().on('error', error => { console.log(error.code) }).listen(0, '::', () => process.exit(1))`

/** Whether it can be had here. */
export const canBeWithoutIpv6 =
  PRCTL > 0 &&
  spawnSync(WITHOUT_IPV6[0] ?? '', [...WITHOUT_IPV6.slice(1), process.execPath, '-e', PROBE], {
    encoding: 'utf8',
  }).stdout === 'EAFNOSUPPORT\n'
