// One block of addresses, held against many: a search of the log judges millions.
import { parseBlock } from '@pbt/proto'
import { Allowlist } from './allowlist.ts'

const OCTETS = 4
const ALL_OCTETS = 2 ** 32
const [DOT, ZERO, NINE] = [0x2e, 0x30, 0x39]

/** Whether an address is in the block, as an allowlist of it alone would say. Throws PbtError `not-allowed` for what is no block. */
export function oneBlock(text: string): (address: string) => boolean {
  const list = new Allowlist([text])
  const block = parseBlock(text.trim())
  if (typeof block === 'string' || block.address.length !== OCTETS) return address => list.allows(address)
  const size = ALL_OCTETS / 2 ** block.prefix
  const wanted = Math.floor(block.address.reduce((sum, octet) => sum * 256 + octet, 0) / size)
  return address => {
    const number = plainNumber(address)
    return number < 0 ? list.allows(address) : Math.floor(number / size) === wanted
  }
}

/** IPv4 in dots, without anything else that may mean one; -1 for whatever is to be looked at more closely. */
function plainNumber(address: string): number {
  let [number, octet, digits, dots] = [0, 0, 0, 0]
  for (let index = 0; index < address.length; index++) {
    const code = address.charCodeAt(index)
    if (code === DOT) {
      if (digits === 0) return -1
      number = number * 256 + octet
      octet = digits = 0
      dots++
    } else if (code >= ZERO && code <= NINE) {
      if (digits > 0 && octet === 0) return -1
      octet = octet * 10 + code - ZERO
      digits++
      if (octet > 255) return -1
    } else return -1
  }
  return dots === OCTETS - 1 && digits > 0 ? number * 256 + octet : -1
}
