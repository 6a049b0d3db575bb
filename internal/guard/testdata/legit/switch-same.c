switch (c) {
    case 0:
        handle(c);
        break;
    case 1:
        handle(c);
        break;
    case 2:
        handle(c);
        break;
    case 3:
        handle(c);
        break;
    case 4:
        handle(c);
        break;
    case 5:
        handle(c);
        break;
    case 6:
        handle(c);
        break;
    case 7:
        handle(c);
        break;
    case 8:
        handle(c);
        break;
    case 9:
        handle(c);
        break;
    case 10:
        handle(c);
        break;
    case 11:
        handle(c);
        break;
    case 12:
        handle(c);
        break;
    case 13:
        handle(c);
        break;
    case 14:
        handle(c);
        break;
    case 15:
        handle(c);
        break;
    case 16:
        handle(c);
        break;
    case 17:
        handle(c);
        break;
    case 18:
        handle(c);
        break;
    case 19:
        handle(c);
        break;
    case 20:
        handle(c);
        break;
    case 21:
        handle(c);
        break;
    case 22:
        handle(c);
        break;
    case 23:
        handle(c);
        break;
    case 24:
        handle(c);
        break;
    case 25:
        handle(c);
        break;
    case 26:
        handle(c);
        break;
    case 27:
        handle(c);
        break;
    case 28:
        handle(c);
        break;
    case 29:
        handle(c);
        break;
    case 30:
        handle(c);
        break;
    case 31:
        handle(c);
        break;
    case 32:
        handle(c);
        break;
    case 33:
        handle(c);
        break;
    case 34:
        handle(c);
        break;
    case 35:
        handle(c);
        break;
    case 36:
        handle(c);
        break;
    case 37:
        handle(c);
        break;
    case 38:
        handle(c);
        break;
    case 39:
        handle(c);
        break;
    case 40:
        handle(c);
        break;
    case 41:
        handle(c);
        break;
    case 42:
        handle(c);
        break;
    case 43:
        handle(c);
        break;
    case 44:
        handle(c);
        break;
    case 45:
        handle(c);
        break;
    case 46:
        handle(c);
        break;
    case 47:
        handle(c);
        break;
    case 48:
        handle(c);
        break;
    case 49:
        handle(c);
        break;
    case 50:
        handle(c);
        break;
    case 51:
        handle(c);
        break;
    case 52:
        handle(c);
        break;
    case 53:
        handle(c);
        break;
    case 54:
        handle(c);
        break;
    case 55:
        handle(c);
        break;
    case 56:
        handle(c);
        break;
    case 57:
        handle(c);
        break;
    case 58:
        handle(c);
        break;
    case 59:
        handle(c);
        break;
    case 60:
        handle(c);
        break;
    case 61:
        handle(c);
        break;
    case 62:
        handle(c);
        break;
    case 63:
        handle(c);
        break;
    case 64:
        handle(c);
        break;
    case 65:
        handle(c);
        break;
    case 66:
        handle(c);
        break;
    case 67:
        handle(c);
        break;
    case 68:
        handle(c);
        break;
    case 69:
        handle(c);
        break;
    case 70:
        handle(c);
        break;
    case 71:
        handle(c);
        break;
    case 72:
        handle(c);
        break;
    case 73:
        handle(c);
        break;
    case 74:
        handle(c);
        break;
    case 75:
        handle(c);
        break;
    case 76:
        handle(c);
        break;
    case 77:
        handle(c);
        break;
    case 78:
        handle(c);
        break;
    case 79:
        handle(c);
        break;
    case 80:
        handle(c);
        break;
    case 81:
        handle(c);
        break;
    case 82:
        handle(c);
        break;
    case 83:
        handle(c);
        break;
    case 84:
        handle(c);
        break;
    case 85:
        handle(c);
        break;
    case 86:
        handle(c);
        break;
    case 87:
        handle(c);
        break;
    case 88:
        handle(c);
        break;
    case 89:
        handle(c);
        break;
    case 90:
        handle(c);
        break;
    case 91:
        handle(c);
        break;
    case 92:
        handle(c);
        break;
    case 93:
        handle(c);
        break;
    case 94:
        handle(c);
        break;
    case 95:
        handle(c);
        break;
    case 96:
        handle(c);
        break;
    case 97:
        handle(c);
        break;
    case 98:
        handle(c);
        break;
    case 99:
        handle(c);
        break;
    case 100:
        handle(c);
        break;
    case 101:
        handle(c);
        break;
    case 102:
        handle(c);
        break;
    case 103:
        handle(c);
        break;
    case 104:
        handle(c);
        break;
    case 105:
        handle(c);
        break;
    case 106:
        handle(c);
        break;
    case 107:
        handle(c);
        break;
    case 108:
        handle(c);
        break;
    case 109:
        handle(c);
        break;
    case 110:
        handle(c);
        break;
    case 111:
        handle(c);
        break;
    case 112:
        handle(c);
        break;
    case 113:
        handle(c);
        break;
    case 114:
        handle(c);
        break;
    case 115:
        handle(c);
        break;
    case 116:
        handle(c);
        break;
    case 117:
        handle(c);
        break;
    case 118:
        handle(c);
        break;
    case 119:
        handle(c);
        break;
    case 120:
        handle(c);
        break;
    case 121:
        handle(c);
        break;
    case 122:
        handle(c);
        break;
    case 123:
        handle(c);
        break;
    case 124:
        handle(c);
        break;
    case 125:
        handle(c);
        break;
    case 126:
        handle(c);
        break;
    case 127:
        handle(c);
        break;
    case 128:
        handle(c);
        break;
    case 129:
        handle(c);
        break;
    case 130:
        handle(c);
        break;
    case 131:
        handle(c);
        break;
    case 132:
        handle(c);
        break;
    case 133:
        handle(c);
        break;
    case 134:
        handle(c);
        break;
    case 135:
        handle(c);
        break;
    case 136:
        handle(c);
        break;
    case 137:
        handle(c);
        break;
    case 138:
        handle(c);
        break;
    case 139:
        handle(c);
        break;
    case 140:
        handle(c);
        break;
    case 141:
        handle(c);
        break;
    case 142:
        handle(c);
        break;
    case 143:
        handle(c);
        break;
    case 144:
        handle(c);
        break;
    case 145:
        handle(c);
        break;
    case 146:
        handle(c);
        break;
    case 147:
        handle(c);
        break;
    case 148:
        handle(c);
        break;
    case 149:
        handle(c);
        break;
    case 150:
        handle(c);
        break;
    case 151:
        handle(c);
        break;
    case 152:
        handle(c);
        break;
    case 153:
        handle(c);
        break;
    case 154:
        handle(c);
        break;
    case 155:
        handle(c);
        break;
    case 156:
        handle(c);
        break;
    case 157:
        handle(c);
        break;
    case 158:
        handle(c);
        break;
    case 159:
        handle(c);
        break;
    case 160:
        handle(c);
        break;
    case 161:
        handle(c);
        break;
    case 162:
        handle(c);
        break;
    case 163:
        handle(c);
        break;
    case 164:
        handle(c);
        break;
    case 165:
        handle(c);
        break;
    case 166:
        handle(c);
        break;
    case 167:
        handle(c);
        break;
    case 168:
        handle(c);
        break;
    case 169:
        handle(c);
        break;
    case 170:
        handle(c);
        break;
    case 171:
        handle(c);
        break;
    case 172:
        handle(c);
        break;
    case 173:
        handle(c);
        break;
    case 174:
        handle(c);
        break;
    case 175:
        handle(c);
        break;
    case 176:
        handle(c);
        break;
    case 177:
        handle(c);
        break;
    case 178:
        handle(c);
        break;
    case 179:
        handle(c);
        break;
    case 180:
        handle(c);
        break;
    case 181:
        handle(c);
        break;
    case 182:
        handle(c);
        break;
    case 183:
        handle(c);
        break;
    case 184:
        handle(c);
        break;
    case 185:
        handle(c);
        break;
    case 186:
        handle(c);
        break;
    case 187:
        handle(c);
        break;
    case 188:
        handle(c);
        break;
    case 189:
        handle(c);
        break;
    case 190:
        handle(c);
        break;
    case 191:
        handle(c);
        break;
    case 192:
        handle(c);
        break;
    case 193:
        handle(c);
        break;
    case 194:
        handle(c);
        break;
    case 195:
        handle(c);
        break;
    case 196:
        handle(c);
        break;
    case 197:
        handle(c);
        break;
    case 198:
        handle(c);
        break;
    case 199:
        handle(c);
        break;
}
