// Mistakes that people make on the way, on a machine of tests: what they do, and what install.sh or the doctor must say, with the cure.
import assert from 'node:assert/strict'
import type { Machine } from './machine.ts'

const SCRIPT = 'cd /srv; sh package/deploy/install.sh'
const TARBALL = 'pbt-server-0.1.0.tgz'
const FAKED = 'LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1)'

type Row = readonly [mistake: string, line: string, says: RegExp, cure: RegExp]

/** Before anything is installed; each ends with 1, and changes nothing. */
const AT_INSTALL: readonly Row[] = [
  ['not root', `${SCRIPT.replace('sh ', 'setpriv --reuid 1000 sh ')} ${TARBALL}`, /only root can install/, /sudo sh/],
  ['no tarball', SCRIPT, /which tarball\?/, /install\.sh pbt-server-0\.1\.0\.tgz/],
  ['the tarball of the client', `${SCRIPT} pbt-client-0.1.0.tgz`, /not a tarball of pbt-server/, /npm run pack/],
  [
    'a tarball that is cut',
    `head -c 9999 /srv/${TARBALL} > /tmp/cut.tgz; ${SCRIPT} /tmp/cut.tgz`,
    /not a tarball/,
    /pack/,
  ],
  ['no domain', `${SCRIPT} --base-domain localhost ${TARBALL}`, /"localhost" is not a domain/, /tunnel\.example\.com/],
  ['a URL', `${SCRIPT} --base-domain https://mine.uk ${TARBALL}`, /is not a domain/, /lower case/],
  ['a misspelt option', `${SCRIPT} --base-domian mine.uk ${TARBALL}`, /no option --base-domian/, /first lines/],
  ['nothing to go back to', `${SCRIPT} --back`, /no earlier version is kept/, /install\.sh pbt-server-VERSION/],
]

/** Each line begins the mistake; one run of the doctor must name them all. */
const FOR_THE_DOCTOR: readonly Row[] = [
  [
    'the service is down',
    'systemctl stop pbt-server.socket pbt-server',
    /version .*does not run/,
    /systemctl start pbt-server/,
  ],
  [
    'a unit that was changed',
    'echo >> /etc/systemd/system/pbt-server.service',
    /unit pbt-server\.service/,
    /systemctl edit/,
  ],
  [
    'no unit of the ports',
    'rm /etc/systemd/system/pbt-server.socket',
    /unit pbt-server\.socket .*refuses visitors/,
    /sudo cp/,
  ],
  ['data of root', 'chown root /var/lib/pbt-server', /owner of the data .*is root's/, /chown -R pbt-server/],
  ['data for everybody', 'chmod 755 /var/lib/pbt-server', /privacy of the data .*may look into/, /chmod -R go=/],
  [
    'port 80 taken',
    '(nc -lk -p 80 || nc -lk 80 || python3 -m http.server 80) > /dev/null 2>&1 &',
    /port 80 .*has it/,
    /end it/,
  ],
  ['a closed firewall', 'ufw --force reset; ufw --force enable', /firewall .*443\/tcp/, /ufw allow/],
  ['a wrong clock', 'true', /clock .*3 hours ahead/, /set-ntp/],
]

/** On a machine where nothing is installed. */
export function mistakesAtInstall(machine: Machine): void {
  for (const [mistake, line, says, cure] of AT_INSTALL) {
    const { status, text } = machine.run(`${line} < /dev/null`)
    assert.equal(status, 1, `${mistake}: ${text}`)
    assert.match(text, says, mistake)
    assert.match(text, cure, mistake)
  }
  assert.equal(machine.run('ls -d /etc/pbt-server /usr/local/lib/pbt-server 2>/dev/null').text, '')
  const alone = machine.run(
    `mv /run/systemd /run/aside; ${SCRIPT} --dry-run --base-domain mine.uk ${TARBALL} </dev/null; mv /run/aside /run/systemd`,
  )
  assert.match(alone.text, /no systemd runs here: nothing starts pbt-server by itself/)
}

/** On a machine where all is well; afterwards nothing is. `directory`: of the CA, which tells the time, and whose root is in /srv/ca.pem. */
export function mistakesForTheDoctor(machine: Machine, directory: string): void {
  const lost = machine.run('pbt-server init')
  assert.match(lost.text, /its token is shown only once[\s\S]*token rotate/, 'a token that was lost')
  const misspelt = machine.run(
    'cp /etc/pbt-server/server.yaml /tmp/bad.yaml; echo "htps-port: 443" >> /tmp/bad.yaml; pbt-server start --config /tmp/bad.yaml',
  )
  assert.match(misspelt.text, /unknown setting htps-port[\s\S]*start --help/, 'a setting that is misspelt')
  machine.run('mkdir /tmp/small && mount -t tmpfs -o size=2m tmpfs /tmp/small')
  const full = machine.run('pbt-server init --data-dir /tmp/small/data; pbt-server doctor --data-dir /tmp/small/data')
  assert.match(full.text, /room on the disk .*only \d+ MB[\s\S]*df -h/, 'a disk that is full')

  machine.run('mount -t tmpfs -o size=40m tmpfs /usr/local/lib/pbt-server')
  const small = machine.run(`${SCRIPT} ${TARBALL} < /dev/null`)
  assert.equal(small.status, 1, small.text)
  assert.match(small.text, /nothing was changed; the disk of \S+ has \d\d MB left, and 400 are needed[\s\S]*df -h/)
  const kept = machine.run('ls /usr/local/lib/pbt-server; pbt-server --version; umount /usr/local/lib/pbt-server')
  assert.match(kept.text, /^pbt-server \d/, 'what was installed before a disk had too little room')

  for (const [, line] of FOR_THE_DOCTOR) machine.run(line)
  const { status, text } = machine.run(
    `FAKETIME=+3h ${FAKED} NODE_EXTRA_CA_CERTS=/srv/ca.pem pbt-server doctor --acme-directory ${directory}`,
  )
  assert.equal(status, 1, text)
  const [table = '', cures = ''] = text.split('\n\n')
  for (const [mistake, , says, cure] of FOR_THE_DOCTOR) {
    assert.match(table, new RegExp(`FAILED +${says.source}`), `${mistake}\n${text}`)
    assert.match(cures, cure, `${mistake}\n${text}`)
  }
}
